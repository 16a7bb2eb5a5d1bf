/** The gateway's own page: `GET /.skooly-edge/status`, for pages that show who serves them. Nothing in it is secret. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LinkState } from '../link/states.ts';
import type { Site } from './headers.ts';

export const ownPrefix = '/.skooly-edge/';

export interface PublicStatus {
  state: LinkState;
  /** ISO 8601. */
  since: string;
  site: Site | 'nobody';
}

export function answerStatus(status: PublicStatus, request: IncomingMessage, response: ServerResponse): void {
  const body = JSON.stringify(status);
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-skooly-edge-site': status.site,
    'x-skooly-edge-state': status.state,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
