import { isIPv6, type Socket } from 'node:net'

/** @returns who is at the other end, as a multiaddr says it: its text, because making one takes as long as accepting a socket */
export function addressOfSocket({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `/${isIPv6(remoteAddress) ? 'ip6' : 'ip4'}/${remoteAddress}/tcp/${remotePort}`
}
