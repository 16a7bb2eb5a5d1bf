import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The kernel's limit is 107 bytes. */
const MAX_PATH_BYTES = 107;

/** In the state folder, or in the system's folder for temporary files where that path is too long for a socket. */
export function socketPath(dir: string): string {
  const inside = join(dir, 'control.sock');
  if (Buffer.byteLength(inside) <= MAX_PATH_BYTES) return inside;
  const hash = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  return join(tmpdir(), `skooly-lab-${hash}.sock`);
}
