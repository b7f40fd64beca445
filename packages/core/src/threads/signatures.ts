/** What threads use that check signatures, and nothing else; see intake.ts. */
export { verifyBeaconSignature } from '../beacon/beacon.ts'
export { createSigner, SIGNATURE_SIZE_BYTES } from '../identity.ts'
