/** Longest name of one path segment in UTF-8 bytes: what ext4, APFS and NTFS all take. */
export const ENTRY_NAME_SIZE_BYTES_MAX = 255

/** Why a name cannot be one segment of a path on somebody's disk. */
export type UnsafeNameReason = 'empty' | 'dot' | 'separator' | 'control' | 'bidi' | 'not-unicode' | 'too-long'

export type EntryNameVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: UnsafeNameReason }

const SEPARATOR = /[/\\]/
/** C0 with NUL, DEL and C1: they end strings, move cursors and forge lines of a log. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
/** Marks, embeddings, overrides and isolates that show `exe.txt` for `txt.exe`. */
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/
/** Device names of Windows, which any extension leaves a device. */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?$/i
/** Characters Windows gives a meaning, a colon among them (alternate streams), and ends that it strips. */
const WINDOWS_SYNTAX = /[<>:"|?*]|[ .]$/

const textEncoder = new TextEncoder()

/**
 * Says whether `name` is safe as one segment of a path: leads nowhere else, deceives nobody, fits every disk.
 *
 * The same rule holds when content is packed and when it is read. Does not normalise: two names that differ only in case
 * or in Unicode form are two names here. Names that only Windows gives a meaning are good names; whoever writes files
 * there asks {@link isReservedOnWindows} as well.
 */
export function checkEntryName(name: string): EntryNameVerdict {
  const reason = unsafeNameReason(name)
  return reason === undefined ? { ok: true } : { ok: false, reason }
}

function unsafeNameReason(name: string): UnsafeNameReason | undefined {
  if (name === '') return 'empty'
  if (name === '.' || name === '..') return 'dot'
  if (name.length > ENTRY_NAME_SIZE_BYTES_MAX) return 'too-long'
  if (SEPARATOR.test(name)) return 'separator'
  if (CONTROL.test(name)) return 'control'
  if (BIDI.test(name)) return 'bidi'
  if (!name.isWellFormed() || name.includes('\ufffd')) return 'not-unicode'
  if (textEncoder.encode(name).length > ENTRY_NAME_SIZE_BYTES_MAX) return 'too-long'
  return undefined
}

/** Says whether Windows would take `name` for a device, another stream of a file, or a different name. */
export function isReservedOnWindows(name: string): boolean {
  return WINDOWS_DEVICE.test(name) || WINDOWS_SYNTAX.test(name)
}

const HIDDEN = new RegExp(`${CONTROL.source}|${BIDI.source}`, 'g')

/** A foreign name or path as it may stand in a message: quoted, on one line, with nothing that a terminal obeys. */
export function quoteName(name: string): string {
  return JSON.stringify(name).replace(HIDDEN, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
