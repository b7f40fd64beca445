/**
 * Finds assertions on promises that nobody waits for: vitest shows such a test as passed, whatever becomes of them.
 */
import { blankOut } from './source-files.ts'

/** @returns the lines, from 1, of every `expect(…).rejects` and `.resolves` that is neither awaited nor returned */
export function findUnawaited(source: string): number[] {
  const code = blankOut(source)
  const lines: number[] = []
  for (const { index } of code.matchAll(/\bexpect(?:\.soft)?\(/g)) {
    const end = closingParenthesis(code, code.indexOf('(', index))
    if (!/^\s*\.\s*(rejects|resolves)\b/.test(code.slice(end + 1))) continue
    if (!isAwaited(code, index)) lines.push(code.slice(0, index).split('\n').length)
  }
  return lines
}

function closingParenthesis(code: string, open: number): number {
  let depth = 0
  for (let position = open; position < code.length; position += 1) {
    if (code[position] === '(') depth += 1
    if (code[position] === ')') depth -= 1
    if (depth === 0) return position
  }
  return code.length
}

/** At once, or through a constant that is awaited further down. */
function isAwaited(code: string, index: number): boolean {
  const before = code.slice(0, index)
  if (/\b(await|return)\s+$/.test(before)) return true
  const statement = before.slice(before.lastIndexOf('\n') + 1)
  const name = /^\s*const (\w+) =/.exec(statement)?.[1]
  return name !== undefined && new RegExp(`\\bawait\\b[^\\n]*\\b${name}\\b`).test(code.slice(index))
}
