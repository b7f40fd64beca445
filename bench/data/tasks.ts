import type { Task } from './measured-process.ts'

const from = (load: () => Promise<Task>): Task => async () => (await load())()

/** Everything that can run in a process of its own; each loads only what it needs. */
export const tasks: Record<string, Task> = {
  'import-holdfast': from(async () => (await import('./import-tasks.ts')).importHoldfast),
  'import-helia': from(async () => (await import('./import-tasks.ts')).importHelia),
  'import-ipfs-car': from(async () => (await import('./import-tasks.ts')).importIpfsCar),
  'import-ipfs-car-commitment': from(async () => (await import('./import-tasks.ts')).importIpfsCarWithCommitment),
  'raw-ours': from(async () => (await import('./raw-stream-tasks.ts')).rawOurs),
  'raw-noise': from(async () => (await import('./raw-stream-tasks.ts')).rawNoise)
}
