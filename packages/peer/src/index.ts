export { loadConfig, type PeerConfig, type ProviderConfig, type Role, writeDefaultConfig } from './config.ts'
export { type DataDirectory, type DataDirectoryPaths, dataDirectoryPaths, openDataDirectory } from './data-directory.ts'
export { PeerError } from './error.ts'
export * from './files/index.ts'
export { loadKey, loadOrCreateKey } from './key-file.ts'
export {
  type LogRecord,
  openSegmentLog,
  readSegmentLog,
  type SegmentLog,
  type SegmentLogEvent,
  type SegmentLogOptions
} from './ledger/segment-log.ts'
export * from './storage/index.ts'
