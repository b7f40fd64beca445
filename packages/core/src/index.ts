export * from './content/index.ts'
export * from './protocols/index.ts'
