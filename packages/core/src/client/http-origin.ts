/**
 * The origin of a web server, as a peer announces it: `/http`, or `/tls/http` behind somebody who has a certificate.
 *
 * By its text: what parses multiaddrs takes as long as a round trip on one machine.
 *
 * @param address - text of a multiaddr, also one with the peer's id at its end
 * @returns scheme, host and port as URLs have them; undefined for what is no web server
 */
export function httpOriginOf(address: string): string | undefined {
  const [, family = '', host = '', port, scheme] =
    /^\/(ip4|ip6|dns[46]?)\/([0-9a-z.:-]+)\/tcp\/(\d{1,5})\/(http|https|tls\/http)(?:\/p2p\/\w+)?$/i.exec(address) ?? []
  if (scheme === undefined) return undefined
  const origin = `${scheme === 'http' ? 'http' : 'https'}://${family === 'ip6' ? `[${host}]` : host}:${port}`
  return URL.canParse(origin) ? origin : undefined
}

/** Where a peer speaks HTTPS with its own certificate: on the port at which it speaks libp2p. */
export interface PeerOrigin {
  readonly origin: string
  /** Text of the peer's id. */
  readonly peer: string
}

/** @returns undefined for an address that is not TCP's alone, or does not say whose it is */
export function peerOriginOf(address: string): PeerOrigin | undefined {
  const [, family = '', host = '', port, peer] =
    /^\/(ip4|ip6|dns[46]?)\/([0-9a-z.:-]+)\/tcp\/(\d{1,5})\/p2p\/(\w+)$/i.exec(address) ?? []
  if (peer === undefined) return undefined
  const origin = `https://${family === 'ip6' ? `[${host}]` : host}:${port}`
  return URL.canParse(origin) ? { origin, peer } : undefined
}
