/** What a document holds that can be run or looked up: fenced blocks, inline code, links. */

export interface Block {
  /** The word after the fence: `sh`, `ts`, `text`, … */
  readonly language: string
  readonly text: string
  /** Of the opening fence, from 1: what a failing test names. */
  readonly line: number
}

export interface Markdown {
  readonly blocks: readonly Block[]
  /** Spans of inline code outside blocks. */
  readonly codeSpans: readonly string[]
  /** Targets of links outside blocks. */
  readonly links: readonly string[]
  /** Anchors of headings, as they are linked to. */
  readonly anchors: readonly string[]
}

const FENCE = /^```(\w*)\s*$/

/** Knows the Markdown that this project writes: fences at the start of a line, inline links, headings with `#`. */
export function parseMarkdown(markdown: string): Markdown {
  const blocks: Block[] = []
  const prose: string[] = []
  let open: { language: string; line: number; lines: string[] } | undefined
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = FENCE.exec(line)
    if (open === undefined && fence !== null) open = { language: fence[1] ?? '', line: index + 1, lines: [] }
    else if (open === undefined) prose.push(line)
    else if (fence === null) open.lines.push(line)
    else {
      blocks.push({ language: open.language, text: open.lines.join('\n'), line: open.line })
      open = undefined
    }
  }
  if (open !== undefined) throw new Error(`the block of line ${open.line} is never closed`)
  const text = prose.join('\n')
  return {
    blocks,
    codeSpans: Array.from(text.matchAll(/`([^`\n]+)`/g), ([, code]) => code!),
    links: Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target!),
    anchors: prose.filter(line => /^#+ /.test(line)).map(anchorOf)
  }
}

function anchorOf(heading: string): string {
  return heading
    .replace(/^#+ /, '')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}
