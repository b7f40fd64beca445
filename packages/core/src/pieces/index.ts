/** Private pieces: keys, labels, encryption, replicas, reading, references. The bytes stand in PIECES.md. */
export * from './label.ts'
export * from './read-permission.ts'
