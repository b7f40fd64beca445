/** Where the local API may listen, as text in the config. */

/** @returns undefined for what is no loopback address and no socket's path */
export function parseListen(text: string): { host: string; port: number } | { path: string } | undefined {
  const path = /^unix:(\/.{1,100})$/.exec(text)?.[1]
  if (path !== undefined) return { path }
  const [, host, digits] = /^(127\.0\.0\.1|\[::1\]):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (host === undefined || !(port <= 65_535)) return undefined
  return { host: host.replace(/[[\]]/g, ''), port }
}
