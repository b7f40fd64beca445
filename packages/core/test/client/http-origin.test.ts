import { expect, it } from 'vitest'
import { httpOriginOf, peerOriginOf } from '../../src/client/http-origin.ts'

const ID = '16Uiu2HAm9d4ZtQvGqfBdfF8mWJqyNrTDvK6hFJuN2P2z1kRCeR3S'

it.each([
  ['/ip4/203.0.113.7/tcp/4742/http', 'http://203.0.113.7:4742'],
  [`/ip4/203.0.113.7/tcp/4742/http/p2p/${ID}`, 'http://203.0.113.7:4742'],
  ['/ip6/2001:db8::7/tcp/80/http', 'http://[2001:db8::7]:80'],
  ['/dns4/a.example/tcp/443/tls/http', 'https://a.example:443'],
  ['/dns/a.example/tcp/443/https', 'https://a.example:443']
])('%s is %s', (address, origin) => {
  expect(httpOriginOf(address)).toBe(origin)
})

it.each([
  '/ip4/203.0.113.7/tcp/4740',
  '/ip4/203.0.113.7/tcp/4741/ws',
  '/ip4/203.0.113.7/tcp/4742/http/p2p-circuit',
  `/ip4/203.0.113.7/tcp/4742/http/p2p/${ID}/p2p-circuit`,
  '/ip4/203.0.113.7/udp/4742/http',
  '/ip4/203.0.113.7/tcp/99999/http',
  '/ip4/203.0.113.700/tcp/80/http',
  '/ip4/a.example/tcp/80/http/../../x',
  '/dns4/a.example@evil.example/tcp/80/http',
  '/dns4/-/tcp//http',
  '',
  'http://a.example'
])('%s is no web server', address => {
  expect(httpOriginOf(address)).toBeUndefined()
})

it.each([
  [`/ip4/203.0.113.7/tcp/4740/p2p/${ID}`, 'https://203.0.113.7:4740'],
  [`/ip6/2001:db8::7/tcp/4740/p2p/${ID}`, 'https://[2001:db8::7]:4740'],
  [`/dns4/a.example/tcp/4740/p2p/${ID}`, 'https://a.example:4740']
])('a peer at %s is asked at %s', (address, origin) => {
  expect(peerOriginOf(address)).toEqual({ origin, peer: ID })
})

it.each([
  '/ip4/203.0.113.7/tcp/4740',
  `/ip4/203.0.113.7/tcp/4742/http/p2p/${ID}`,
  `/ip4/203.0.113.7/tcp/4741/ws/p2p/${ID}`,
  `/ip4/203.0.113.7/udp/4740/quic-v1/p2p/${ID}`,
  `/ip4/203.0.113.7/tcp/4740/p2p/${ID}/p2p-circuit/p2p/${ID}`,
  `/ip4/203.0.113.7/tcp/99999/p2p/${ID}`
])('no peer is asked at %s', address => {
  expect(peerOriginOf(address)).toBeUndefined()
})
