/** Why a proof is refused. Bounds are checked before anything is hashed, so only `wrong-root` costs work. */
export type ProofReason =
  /** Not an object of byte arrays. */
  | 'malformed'
  /** More or fewer proved bytes than was asked for. */
  | 'wrong-data-size'
  /** More or fewer nodes than this proof has. */
  | 'wrong-node-count'
  /** The right shape, but it does not lead to the piece's root. */
  | 'wrong-root'

/** What verification says. It never throws on foreign bytes. */
export type ProofVerdict = { ok: true } | { ok: false; reason: ProofReason }
