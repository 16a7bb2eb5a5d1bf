/** Every bound of the gateway, with what happens at it. */
export interface GatewayLimits {
  /** A connection to Skooly in the cloud that takes longer counts as failed; nothing was sent yet. */
  cloudConnectMs: number;
  /** The same for Skooly on the box. */
  boxConnectMs: number;
  /** No head of an answer within this time: the request counts as failed. */
  answerTimeoutMs: number;
  /** An answer that stands still for this long is cut off. */
  bodyIdleMs: number;
  /** While SUSPECT a read that the cloud has not answered for this long is asked of the box as well. */
  patienceMs: number;
  /** A write that must not be repeated waits this long for its answer after the link fell; then its outcome is unknown. */
  unsafeGraceMs: number;
  /** The whole fence, from holding the first write to the turn of the switch; then it is lifted and the box goes on. */
  fenceMaxMs: number;
  /** Writes that the fence holds; one more and it is lifted, and the box goes on. */
  heldMax: number;
  /** While SUSPECT a write that must not be repeated waits this long for a verdict; then it goes to the cloud. */
  suspectHoldMs: number;
  /** The body of one write that is kept for repeating it; a longer one is streamed, and not repeated once sent. */
  replayBodyBytes: number;
  /** All kept bodies together; beyond it bodies are streamed. */
  replayTotalBytes: number;
  /** Connections to each Skooly; further requests queue for one, with nothing sent. */
  upstreamConnections: number;
  /** Connections of users; further ones are closed at once. */
  userConnections: number;
  /** What close() waits for requests in flight. */
  closeGraceMs: number;
}

export const defaultLimits: GatewayLimits = {
  cloudConnectMs: 5_000,
  boxConnectMs: 2_000,
  answerTimeoutMs: 60_000,
  bodyIdleMs: 60_000,
  patienceMs: 700,
  unsafeGraceMs: 2_000,
  fenceMaxMs: 5_000,
  heldMax: 1_000,
  suspectHoldMs: 10_000,
  replayBodyBytes: 1024 * 1024,
  replayTotalBytes: 64 * 1024 * 1024,
  upstreamConnections: 128,
  userConnections: 4_000,
  closeGraceMs: 5_000,
};
