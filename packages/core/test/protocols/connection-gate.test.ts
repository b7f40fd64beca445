import { describe, expect, it } from 'vitest'
import { addressKindOf, isDialled, subnetOf } from '../../src/protocols/address-kind.ts'
import { CONNECTION_TERMS, createConnectionGate } from '../../src/protocols/connection-gate.ts'
import { VirtualClock } from '../virtual-clock.ts'

describe('an address reaches', () => {
  it.each([
    ['/ip4/127.0.0.1/tcp/1', 'loopback'],
    ['/ip4/127.255.0.9/tcp/1', 'loopback'],
    ['/ip4/0.0.0.0/tcp/1', 'loopback'],
    ['/ip6/::1/tcp/1', 'loopback'],
    ['/ip6/::/tcp/1', 'loopback'],
    ['/ip6/0:0:0:0:0:0:0:1/tcp/1', 'loopback'],
    ['/ip6/::ffff:127.0.0.1/tcp/1', 'loopback'],
    ['/ip6/::ffff:7f00:1/tcp/1', 'loopback'],
    ['/dns4/localhost/tcp/1', 'loopback'],
    ['/dns/evil.LOCALHOST./tcp/1', 'loopback'],
    ['/memory/one', 'loopback'],
    ['/ip4/10.1.2.3/tcp/1', 'private'],
    ['/ip4/192.168.1.1/tcp/80', 'private'],
    ['/ip4/172.16.0.1/tcp/1', 'private'],
    ['/ip4/172.31.9.9/tcp/1', 'private'],
    ['/ip4/169.254.169.254/tcp/80', 'private'],
    ['/ip4/100.64.0.1/tcp/1', 'private'],
    ['/ip6/fd00::1/tcp/1', 'private'],
    ['/ip6/fe80::1/tcp/1', 'private'],
    ['/ip6zone/eth0/ip6/fe80::1/tcp/1', 'private'],
    ['/ip6/::ffff:10.0.0.1/tcp/1', 'private'],
    ['/ip4/172.32.0.1/tcp/1', 'public'],
    ['/ip4/8.8.8.8/tcp/1', 'public'],
    ['/ip6/2001:db8::1/tcp/1', 'public'],
    ['/dns4/example.org/tcp/1/ws', 'public'],
    ['/dnsaddr/example.org', 'public'],
    ['/nonsense', 'public'],
    ['/ip4/999.0.0.1/tcp/1', 'public'],
    ['/ip6/:::1/tcp/1', 'public']
  ])('%s: %s', (address, kind) => {
    expect(addressKindOf(address)).toBe(kind)
  })
})

it('neighbours are a /24 or a /48, in whatever clothes', () => {
  expect(subnetOf('203.0.113.7')).toBe('203.0.113.0/24')
  expect(subnetOf('::ffff:203.0.113.200')).toBe('203.0.113.0/24')
  expect(subnetOf('2001:db8:1:ffff::1')).toBe('2001:db8:1::/48')
  expect(subnetOf('2001:0db8:0001::')).toBe('2001:db8:1::/48')
  expect(['', 'x', '1.2.3', '1.2.3.400', '::ffff:1.2.3.400', '1::2::3', '1:2:3', 'g::1'].map(subnetOf)).toEqual(
    Array(8).fill(undefined)
  )
})

describe('a peer dials', () => {
  const LOOPBACK = '/ip4/127.0.0.1/tcp/1'
  const HOME = '/ip4/192.168.1.9/tcp/1'
  const WORLD = '/ip4/203.0.113.1/tcp/1'
  it.each([
    ['nothing yet', [], [true, true, false]],
    ['this machine alone', [LOOPBACK], [true, false, false]],
    ['a house', [HOME], [true, true, false]],
    ['the world', [WORLD], [false, false, true]],
    ['the world, and a house that the host stands in', [WORLD, HOME], [false, true, true]]
  ])('in a network whose description names %s', (_, named, allowed) => {
    expect([LOOPBACK, HOME, WORLD].map(address => isDialled(address, named))).toEqual(allowed)
  })
})

describe('a gate', () => {
  const at = (ip: string) => `/ip4/${ip}/tcp/4740`
  const open = (isKnown?: (ip: string) => boolean) => {
    const clock = new VirtualClock(0)
    const terms = { ...CONNECTION_TERMS, perSubnetMax: 3, newPerSubnet: { burst: 5, perSecond: 1 } }
    return { clock, gate: createConnectionGate(isKnown, terms, clock) }
  }

  it('lets so many of a subnet in at once, whatever their addresses', () => {
    const { gate, clock } = open()
    const leave = gate.admit(at('203.0.113.1'))
    expect(leave).toBeDefined()
    expect(gate.admit(at('203.0.113.2'))).toBeDefined()
    expect(gate.admit('/ip6/::ffff:203.0.113.3/tcp/1/ws')).toBeDefined()
    expect(gate.admit(at('203.0.113.4'))).toBeUndefined()
    expect(gate.admit(at('203.0.114.1'))).toBeDefined()
    leave?.()
    clock.jumpTo(10_000)
    expect(gate.admit(at('203.0.113.4'))).toBeDefined()
  })

  it('lets so many new ones of a subnet in a minute, and counts those it refuses', () => {
    const { gate, clock } = open()
    for (let index = 0; index < 5; index++) gate.admit(at('203.0.113.1'))?.()
    expect(gate.admit(at('203.0.113.1'))).toBeUndefined()
    expect(gate.admit(at('198.51.100.1'))).toBeDefined()
    clock.jumpTo(1_000)
    expect(gate.admit(at('203.0.113.1'))).toBeDefined()
    expect(gate.admit(at('203.0.113.1'))).toBeUndefined()
  })

  it('does not hold this machine and the hosts of the network to that', () => {
    const { gate } = open(ip => ip === '203.0.113.1')
    for (let index = 0; index < 100; index++) {
      expect(gate.admit(at('127.0.0.1'))).toBeDefined()
      expect(gate.admit('/ip6/::1/tcp/1')).toBeDefined()
      expect(gate.admit(at('203.0.113.1'))).toBeDefined()
    }
  })

  it('lets so many of one peer in, wherever it comes from', () => {
    const { gate } = open()
    const leaving = Array.from({ length: CONNECTION_TERMS.perPeerMax }, () => gate.welcome('peer'))
    expect(leaving.every(leave => leave !== undefined)).toBe(true)
    expect(gate.welcome('peer')).toBeUndefined()
    expect(gate.welcome('other')).toBeDefined()
    leaving[0]?.()
    expect(gate.welcome('peer')).toBeDefined()
  })

  it('shuts an offender out for a while, and remembers so many', () => {
    const { gate, clock } = open()
    gate.ban('bad')
    expect(gate.welcome('bad')).toBeUndefined()
    expect(gate.welcome('good')).toBeDefined()
    clock.jumpTo(CONNECTION_TERMS.banMs - 1)
    expect(gate.isBanned('bad')).toBe(true)
    clock.jumpTo(CONNECTION_TERMS.banMs)
    expect(gate.welcome('bad')).toBeDefined()
    for (let index = 0; index <= CONNECTION_TERMS.bansMax; index++) gate.ban(`${index}`)
    expect([gate.isBanned('0'), gate.isBanned('1')]).toEqual([false, true])
  })
})
