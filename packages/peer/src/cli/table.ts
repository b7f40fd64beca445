/** Tables for people: aligned columns without frames, so that they can be piped, cut and read. */
import Table from 'cli-table3'
import colors from 'picocolors'
import { escapeForTerminal } from './output.ts'

export interface Column {
  readonly head: string
  /** Numbers stand to the right. */
  readonly align?: 'left' | 'right'
}

const NO_FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  '
}

/** @returns lines with a line end; the cells may hold foreign text, which is escaped */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: columns.map(({ head }) => colors.dim(head)),
    colAligns: columns.map(({ align = 'left' }) => align),
    chars: NO_FRAME,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] }
  })
  for (const row of rows) table.push(row.map(escapeForTerminal))
  return `${table.toString().replace(/[^\S\n]+$/gm, '')}\n`
}

/** Name and value, a line each. */
export function formatFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length))
  return facts.map(([name, value]) => `${colors.dim(name.padEnd(width))}  ${escapeForTerminal(value)}\n`).join('')
}

/** An address as people compare it: its ends. */
export function shortAddress(address: string): string {
  return `${address.slice(0, 8)}…${address.slice(-4)}`
}
