/**
 * The local API as data: what a route is asked, what it answers, and the function between them.
 *
 * One table serves the requests, describes itself as OpenAPI and gives the command line its types.
 */
import type { z } from 'zod'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export interface Route<Input extends z.ZodType = z.ZodType, Answer extends z.ZodType = z.ZodType> {
  readonly method: Method
  /** Below the API's root; `{name}` is a path parameter and a field of the input. */
  readonly path: `/v1/${string}`
  /** One sentence, for the description. */
  readonly summary: string
  /** Path parameters and query of a GET or DELETE, whose values are texts; the JSON body of a POST or PUT, with the path parameters. */
  readonly input: Input
  readonly answer: Answer
  /** @param signal - aborts when the asker leaves */
  handle(input: z.output<Input>, signal: AbortSignal): Promise<z.input<Answer>> | z.input<Answer>
}

/** Declares a route, whose handler is checked against its schemas here; a list of routes knows them no more. */
export function defineRoute<Input extends z.ZodType, Answer extends z.ZodType>(route: Route<Input, Answer>): Route {
  return route
}

/** Names of the path parameters of a route, in order. */
export function parametersOf(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
}
