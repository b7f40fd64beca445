/** What the doctor says of one thing: well, or what is wrong and what to do about it. */

export const CHECKS = [
  'key',
  'config',
  'network',
  'history',
  'disk',
  'pieces',
  'hasher',
  'ports',
  'clock',
  'ledger',
  'reachability'
] as const
export type CheckName = (typeof CHECKS)[number]

export interface Finding {
  readonly check: CheckName
  /** `warning`: it works, but less well than it could. `problem`: it costs money or does not work. `skipped`: needs what is broken above. */
  readonly status: 'ok' | 'warning' | 'problem' | 'skipped'
  /** One sentence: what was found. */
  readonly message: string
  /** What to do next; absent when there is nothing to do. */
  readonly advice?: string
}

export function ok(check: CheckName, message: string): Finding {
  return { check, status: 'ok', message }
}

export function warning(check: CheckName, message: string, advice: string): Finding {
  return { check, status: 'warning', message, advice }
}

export function problem(check: CheckName, message: string, advice: string): Finding {
  return { check, status: 'problem', message, advice }
}

export function skipped(check: CheckName, message: string): Finding {
  return { check, status: 'skipped', message }
}
