/** What can keep the gateway from its work, with a stable code and one sentence of advice for the operator. */
export const gatewayErrors = {
  PORT_TAKEN: 'End the other program that listens there, or give EDGE_GATEWAY_LISTEN another port.',
  LISTEN_REFUSED: 'Give EDGE_GATEWAY_LISTEN an address of this box and a port that this user may open.',
  FAILBACK_RUNNING: 'Wait until the way back that is under way has ended.',
} as const;

export type GatewayErrorCode = keyof typeof gatewayErrors;

export class GatewayError extends Error {
  readonly code: GatewayErrorCode;
  readonly advice: string;

  constructor(code: GatewayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GatewayError';
    this.code = code;
    this.advice = gatewayErrors[code];
  }
}

export function listenError(cause: NodeJS.ErrnoException, address: string): GatewayError {
  if (cause.code === 'EADDRINUSE') return new GatewayError('PORT_TAKEN', `${address} is taken.`, { cause });
  return new GatewayError('LISTEN_REFUSED', `The gateway cannot listen on ${address} (${cause.code}).`, {
    cause,
  });
}
