/** Finds amounts that are made into floating-point numbers, which hold no more than 2^53 of them exactly. */
import { blankOut } from './source-files.ts'

/** Words that amounts go by in this project. */
const AMOUNT =
  /\b(?:\w*(?:[aA]mount|[eE]scrow|[sS]take|[cC]ollateral|[bB]udget|[bB]ond|[pP]enalty|[rR]eward|[bB]alance)s?|price\w*|fees?|paid\w*|pay|free|funded|refunded|withheld|burned|supply|atto|deposit|sum)\b/

/** @returns the lines, from 1, on which something that is called like an amount goes into `Number(`, `parseFloat(` or a unary plus */
export function findInexactAmounts(source: string): number[] {
  const code = blankOut(source)
  const calls = [...code.matchAll(/(?<![\w.])(?:Number|parseFloat|parseInt)\(/g)].map(({ index, 0: { length } }) => ({
    index,
    argument: argumentAt(code, index + length)
  }))
  // blankOut empties templates too, so that what stands in one is read from the source.
  const pluses = [...source.matchAll(/(?<=[=(,?:] ?)\+`\$\{([^}]*)\}`/g)].map(({ index, 1: argument = '' }) => ({
    index,
    argument
  }))
  return [...calls, ...pluses]
    .filter(({ argument }) => AMOUNT.test(argument))
    .map(({ index }) => code.slice(0, index).split('\n').length)
}

/** What stands between the parenthesis that was opened before a position and the one that closes it. */
function argumentAt(code: string, start: number): string {
  let depth = 1
  for (let position = start; position < code.length; position += 1) {
    if (code[position] === '(') depth += 1
    if (code[position] === ')') depth -= 1
    if (depth === 0) return code.slice(start, position)
  }
  return code.slice(start)
}
