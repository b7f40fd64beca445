/** One line that is written over while it changes, under lines that stay. Without a terminal only those that stay are printed. */
import { escapeForTerminal } from './output.ts'

export interface StatusLine {
  /** Shows a text in place of the last one. */
  show(text: string): void
  /** Prints a line that stays. */
  print(text: string): void
  /** Lets others print lines that stay. */
  aside(print: () => void): void
}

/** Of a terminal that does not say, or says 0. */
const COLUMNS_DEFAULT = 80
const CLEAR_LINE = '\r\u001b[2K'

/** @param stream - where it is shown */
export function createStatusLine(
  stream: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number }
): StatusLine {
  let shown = ''

  function aside(print: () => void): void {
    if (shown !== '') stream.write(CLEAR_LINE)
    print()
    if (shown !== '') stream.write(shown)
  }

  return {
    show(text) {
      if (stream.isTTY !== true) return
      // A line that wraps could not be written over.
      shown = escapeForTerminal(text).slice(0, (stream.columns || COLUMNS_DEFAULT) - 1)
      stream.write(`${CLEAR_LINE}${shown}`)
    },
    print(text) {
      aside(() => stream.write(`${text}\n`))
    },
    aside
  }
}
