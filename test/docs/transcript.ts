/** Compares what a document says a command prints with what it printed. */

/** A line of a quotation that stands for any number of lines. */
const LEFT_OUT = '…'

/**
 * What differs from run to run, in the order in which it is taken out: colours, addresses, CIDs, hashes, paths, sizes,
 * numbers. What is left is the wording, which a quotation must repeat.
 */
const VOLATILE: readonly (readonly [RegExp, string])[] = [
  // biome-ignore lint/complexity/useRegexLiterals: a literal would hold the escape character itself
  [new RegExp('\\u001b\\[[0-9;]*m', 'g'), ''],
  [/\/ip[46]\/\S+/g, 'MULTIADDR'],
  [/\b0x[0-9a-f]{40}\b/g, 'ADDRESS'],
  [/\bbaf[a-z2-7]{20,}\b/g, 'CID'],
  [/\b[0-9a-f]{16,}\b/g, 'HASH'],
  [/(^|\s)~?\/\S+/g, '$1PATH'],
  [/\b[\d.]+ (?:B|[KMGT]iB)\b/g, 'SIZE'],
  [/\d[\d.]*/g, 'N'],
  [/\bfaults?\b/g, 'faults'],
  [/─+/g, '─'],
  [/\s+/g, ' ']
]

function maskLine(line: string): string {
  return VOLATILE.reduce((text, [pattern, mask]) => text.replace(pattern, mask), line).trim()
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map(maskLine)
    .filter(line => line !== '')
}

/**
 * Says whether the output has everything that is quoted, in order; between two `…` lines nothing may be left out. Blank
 * lines do not count.
 *
 * @returns undefined when it has, else the quoted lines that were not found where they should be
 */
export function findUnquoted(quotation: string, output: string): string | undefined {
  const printed = linesOf(output)
  let position = 0
  for (const passage of splitAt(linesOf(quotation), LEFT_OUT)) {
    const found = printed.findIndex(
      (_, index) => index >= position && passage.every((line, offset) => printed[index + offset] === line)
    )
    if (found === -1) return passage.join('\n')
    position = found + passage.length
  }
  return undefined
}

function splitAt(lines: readonly string[], separator: string): string[][] {
  const passages: string[][] = [[]]
  for (const line of lines) {
    if (line === separator) passages.push([])
    else passages.at(-1)!.push(line)
  }
  return passages.filter(passage => passage.length > 0)
}
