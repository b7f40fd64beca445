/** Which objects a client repairs: the one that is named, or all of its account. */
import {
  deriveObjectListKeys,
  type ListComponents,
  parseRepairName,
  type RepairOptions,
  type RepairReference,
  type RepairResult,
  readStoredObjectList,
  repairObjects,
  type SignatureVerifier,
  toRepairReference
} from '@holdfast/core'

/** See `Client.repair`. */
export async function repairStored(
  components: ListComponents,
  verifier: SignatureVerifier,
  name: string | undefined,
  options: RepairOptions = {}
): Promise<RepairResult> {
  const references = name === undefined ? await listed(components, options.signal) : [parseRepairName(name)]
  return await repairObjects({ ...components, verifier }, references, options)
}

/** All private objects of the account; its list first, which is a private piece under keys of its own. */
async function listed(components: ListComponents, signal: AbortSignal | undefined): Promise<RepairReference[]> {
  const { slots } = deriveObjectListKeys(components.accountKey)
  const { list } = await readStoredObjectList(components, signal)
  return [
    ...slots.map(repairKey => ({ repairKey, layout: 'distinct' as const, pieceCount: 1 })),
    ...list.objects.flatMap(({ root, private: secrets }) =>
      secrets === null ? [] : [toRepairReference({ root, ...secrets })]
    )
  ]
}
