/** What every command prints with: events as JSON lines for scripts, or text for people. */
import { CID } from 'multiformats/cid'
import { systemCodeOf } from '../error.ts'

/** One line of JSON: amounts as decimal strings, CIDs as text, bytes in hex. */
export function formatJson(value: unknown): string {
  return JSON.stringify(toPlain(value))
}

function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  const cid = CID.asCID(value)
  if (cid !== null) return cid.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value instanceof Error) return { code: (value as { code?: unknown }).code, message: value.message }
  if (Array.isArray(value)) return value.map(toPlain)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), toPlain(item)]))
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toPlain(field)]))
}

/** Prints one event, for a command that was asked for `--json`. */
export function printJsonEvent(event: string, facts: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${formatJson({ event, ...facts })}\n`)
}

/** Foreign text on a terminal: control and bidirectional characters must not move a cursor or turn a line around. */
export function escapeForTerminal(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}

/** One line that says what went wrong and what to do, in the form that was asked for. */
export function printFailure(error: unknown, json: boolean): void {
  const message = error instanceof Error ? error.message : String(error)
  const code = systemCodeOf(error)
  if (json) printJsonEvent('failed', { code, message, step: stepOf(error) })
  else
    process.stderr.write(
      `holdfast: ${escapeForTerminal(message.replace(/\s*\n\s*/g, '; '))}${code === undefined ? '' : ` (${code})`}\n`
    )
}

function stepOf(error: unknown): unknown {
  return (error as { details?: { step?: unknown } } | undefined)?.details?.step
}
