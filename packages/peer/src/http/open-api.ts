/** The routes described as OpenAPI 3.1, so that other programs find out what this daemon answers. */
import { z } from 'zod'
import { parametersOf, type Route } from './route.ts'

/** @returns the document, plain JSON */
export function describeRoutes(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const operations = paths[route.path] ?? {}
    operations[route.method.toLowerCase()] = describe(route)
    paths[route.path] = operations
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Holdfast local API',
      version,
      description:
        'What a daemon knows and does, for programs on its machine. Amounts are decimal strings of attoFIL, sizes are bytes.'
    },
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths
  }
}

function describe({ method, path, summary, input, answer }: Route): Record<string, unknown> {
  const inPath = parametersOf(path)
  const { properties = {}, required = [] } = jsonSchema(input, 'input') as {
    properties?: Record<string, unknown>
    required?: string[]
  }
  const bodyless = method === 'GET' || method === 'DELETE'
  const parameters = Object.entries(properties)
    .filter(([name]) => bodyless || inPath.includes(name))
    .map(([name, schema]) => ({
      name,
      in: inPath.includes(name) ? 'path' : 'query',
      required: required.includes(name),
      schema
    }))
  return {
    summary,
    operationId: `${method.toLowerCase()}${path.replace(/[^a-z0-9]+(.)/gi, (_, letter: string) => letter.toUpperCase()).replace(/\W/g, '')}`,
    ...(parameters.length > 0 && { parameters }),
    ...(!bodyless && { requestBody: { required: true, content: json(input, 'input') } }),
    responses: {
      200: { description: 'The answer.', content: json(answer, 'input') },
      default: {
        description: 'Why not: `code` for programs, `message` for people.',
        content: json(failureSchema, 'input')
      }
    }
  }
}

/** What the API answers when it does not do what it was asked. */
export const failureSchema = z.object({
  code: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional()
})

function json(schema: z.ZodType, io: 'input' | 'output') {
  return { 'application/json': { schema: jsonSchema(schema, io) } }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
