import { ADDRESSES_PER_PEER_MAX, addressesSchema } from '@holdfast/core'
import { expect, it } from 'vitest'
import { announcedAddresses } from '../src/announced-addresses.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/4740'
const PRIVATE = [
  '/ip4/10.1.2.3/tcp/1',
  '/ip4/192.168.1.2/tcp/1',
  '/ip4/172.17.0.1/tcp/1',
  '/ip4/172.31.0.1/tcp/1',
  '/ip4/169.254.0.1/tcp/1',
  '/ip6/fe80::1/tcp/1',
  '/ip6/fd00::1/tcp/1'
]
const PUBLIC = ['/ip4/172.15.0.1/tcp/1', '/ip4/172.32.0.1/tcp/1', '/dns4/example.org/tcp/1', '/ip6/2001:db8::1/tcp/1']

it('are those that reach furthest first, each kind in its order', () => {
  expect(announcedAddresses([LOOPBACK, '/ip6/::1/tcp/1', PRIVATE[0]!])).toEqual([
    PRIVATE[0],
    LOOPBACK,
    '/ip6/::1/tcp/1'
  ])
  expect(announcedAddresses([LOOPBACK, PRIVATE[0]!, ...PUBLIC])).toEqual([...PUBLIC, PRIVATE[0]])
  expect(announcedAddresses([LOOPBACK])).toEqual([LOOPBACK])
  expect(announcedAddresses([])).toEqual([])
})

it.each(PRIVATE)('%s stands behind what the world can reach', address => {
  expect(announcedAddresses([address, PUBLIC[0]!])).toEqual([PUBLIC[0], address])
  expect(announcedAddresses([LOOPBACK, address])).toEqual([address, LOOPBACK])
})

it('are never more than an ask or a network description may hold', () => {
  const announced = announcedAddresses([LOOPBACK, ...PRIVATE, ...PUBLIC])
  expect(announced).toEqual([...PUBLIC, ...PRIVATE].slice(0, ADDRESSES_PER_PEER_MAX))
  expect(addressesSchema.safeParse(announced).success).toBe(true)
})
