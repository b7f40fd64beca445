/** What people paste to name an object: a CID, a reference, or either with a path behind it. */
import { CID } from 'multiformats/cid'
import { remembered } from '../content/index.ts'
import { CoreError } from '../error.ts'
import {
  formatReference,
  type ObjectReference,
  parseReference,
  parseRepairReference,
  type ReferenceFault,
  type RepairReference
} from '../pieces/index.ts'
import { toRepairReference } from './object-deals.ts'

export interface NamedObject {
  /** A root CID for a public object, a reference for a private one. */
  readonly name: CID | ObjectReference
  /** Names below the root, as far as they were given. */
  readonly path: readonly string[]
}

const FAULTS: Record<ReferenceFault, string> = {
  'not a reference': 'it begins with something else',
  'other kind of reference': 'it is a repair reference: who has it can repair the object and not read it',
  characters: 'it holds characters that no reference has',
  checksum: 'a character of it is wrong or missing',
  version: 'it was made by a later version of Holdfast',
  malformed: 'it is incomplete'
}

/** Whose meaning is remembered: who reads ranges says the same name over and over. */
const NAMES_REMEMBERED_MAX = 64

/**
 * @param text - `CID`, `CID/path/in/it`, `hf1…` or `hf1…/path/in/it`
 * @throws {CoreError} `CID_INVALID`, `REFERENCE_INVALID`; the message does not repeat a reference, which is a secret
 */
export const parseObjectName = remembered((text: string): NamedObject => {
  const [first = '', ...path] = text.trim().replace(/\/+$/, '').split('/')
  if (!/^hf/i.test(first)) return { name: parseCid(first), path }
  const verdict = parseReference(first)
  if (verdict.ok) return { name: verdict.reference, path }
  throw new CoreError('REFERENCE_INVALID', `this is no reference of an object: ${FAULTS[verdict.reason]}`, {
    reason: verdict.reason
  })
}, NAMES_REMEMBERED_MAX)

/**
 * What names an object that can be repaired: a reference, with its path ignored, or a repair reference.
 *
 * @throws {CoreError} as `parseObjectName`; also for a public object, whose providers get pieces from each other
 */
export function parseRepairName(text: string): RepairReference {
  const verdict = parseRepairReference(text.trim())
  if (verdict.ok) return verdict.reference
  if (/^hfr/i.test(text.trim()))
    throw new CoreError('REFERENCE_INVALID', `this is no repair reference: ${FAULTS[verdict.reason]}`, {
      reason: verdict.reason
    })
  const { name } = parseObjectName(text)
  if ('secret' in name) return toRepairReference(name)
  throw new CoreError(
    'REFERENCE_INVALID',
    `${name} is a public object: its providers fetch what they lost from each other, and nobody else has to do anything`
  )
}

/** The text that `parseObjectName` reads: a secret for a private object, public for a public one. */
export function formatObjectName(name: CID | ObjectReference): string {
  return 'secret' in name ? formatReference(name) : name.toString()
}

function parseCid(text: string): CID {
  try {
    return CID.parse(text)
  } catch (cause) {
    throw new CoreError('CID_INVALID', `"${text}" is no CID.`, { text }, { cause })
  }
}
