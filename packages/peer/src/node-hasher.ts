/** Which hasher this machine runs: the native one where it has a build, else the portable one, and never without saying so. */
import { type NodeHasher, portableNodeHasher } from '@holdfast/proofs'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'

/** @param tell - told the choice, and the reason when it is the slow one */
export async function chooseNodeHasher(
  tell: (name: string, reason?: string) => void = () => undefined
): Promise<NodeHasher> {
  try {
    const native = await loadNativeNodeHasher()
    tell(native.name)
    return native
  } catch (error) {
    tell(portableNodeHasher.name, error instanceof Error ? error.message : String(error))
    return portableNodeHasher
  }
}
