/** The strict S3 server as a process: one bucket with versions and lock, faults by `/_control`. */
import { readFileSync } from 'node:fs';
import { startS3 } from '../s3.ts';

const { S3_DIR: dir, S3_PORT: port, S3_CREDENTIALS_FILE: credentials, S3_BUCKET: bucket } = process.env;
const { S3_CERT_FILE: cert, S3_KEY_FILE: key } = process.env;
if (dir === undefined || credentials === undefined || bucket === undefined)
  throw new Error('Set S3_DIR, S3_PORT, S3_CREDENTIALS_FILE and S3_BUCKET.');
const server = await startS3({
  dir,
  port: Number(port),
  credentials: JSON.parse(readFileSync(credentials, 'utf8')),
  buckets: [{ name: bucket, lock: true }],
  control: true,
  ...(cert && key && { tls: { cert: readFileSync(cert), key: readFileSync(key) } }),
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.close());
