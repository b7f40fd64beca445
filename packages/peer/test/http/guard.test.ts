import { describe, expect, it } from 'vitest'
import { denialOf } from '../../src/http/guard.ts'

const TOKEN = 'ab'.repeat(32)

function codeFor(headers: Record<string, string>, method = 'GET') {
  const all: Record<string, string> = { host: '127.0.0.1:4741', authorization: `Bearer ${TOKEN}`, ...headers }
  return denialOf({ method, header: name => all[name] }, TOKEN)?.code
}

describe('denialOf', () => {
  it.each(['127.0.0.1:4741', '127.0.0.1', 'localhost:1', '[::1]:4741', 'LOCALHOST:80'])('serves the host %s', host => {
    expect(codeFor({ host })).toBeUndefined()
  })

  it.each([
    'evil.example',
    'evil.example:4741',
    '127.0.0.1.evil.example',
    'localhost.evil.example:80',
    '192.168.0.2:4741',
    '',
    '127.0.0.1:99999',
    '127.0.0.1@evil.example',
    '[::2]:4741'
  ])('refuses the host "%s", which a rebound name or another interface would send', host =>
    expect(codeFor({ host })).toBe('FOREIGN_HOST')
  )

  it.each(['http://evil.example', 'null', 'https://127.0.0.1:4741', 'http://127.0.0.1:4742', 'http://localhost:4741'])(
    'refuses the origin %s',
    origin => expect(codeFor({ origin })).toBe('FOREIGN_ORIGIN')
  )

  it('serves its own origin, and a program that names none', () => {
    expect(codeFor({ origin: 'http://127.0.0.1:4741', 'sec-fetch-site': 'same-origin' })).toBeUndefined()
    expect(codeFor({})).toBeUndefined()
  })

  it.each(['cross-site', 'same-site'])('refuses what a browser calls %s', site => {
    expect(codeFor({ 'sec-fetch-site': site })).toBe('FOREIGN_ORIGIN')
  })

  it.each([
    ['Basic dXNlcjpwYXNz', 'TOKEN_MISSING'],
    ['Bearer ', 'TOKEN_MISSING'],
    [`bearer ${TOKEN}`, 'TOKEN_MISSING'],
    [`Bearer ${TOKEN}0`, 'TOKEN_WRONG'],
    [`Bearer ${'ab'.repeat(31)}`, 'TOKEN_WRONG'],
    [`Bearer ${'ac'.repeat(32)}`, 'TOKEN_WRONG']
  ])('refuses the authorization "%s"', (authorization, code) => {
    expect(codeFor({ authorization })).toBe(code)
  })

  it.each(['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain', 'application/jsonp'])(
    'refuses a body of type %s, which a form can send',
    type => expect(codeFor({ 'content-type': type }, 'POST')).toBe('NOT_JSON')
  )

  it('takes JSON with a charset', () => {
    expect(codeFor({ 'content-type': 'application/json; charset=utf-8' }, 'POST')).toBeUndefined()
  })
})
