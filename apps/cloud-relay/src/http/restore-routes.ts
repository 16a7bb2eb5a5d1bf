/** After a restore of the cloud: where a campus's feed was cut off, and what it gives back. */
import { decodeLines } from '@skooly-edge/sync-protocol';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { RelayError } from '../errors.ts';
import type { ReturnedBlock, ReturnedEntry, Salvage } from '../restore/salvage.ts';

const epochName = Type.String({ minLength: 1, maxLength: 64 });

/** A campus names at most this many epochs that it has followed. */
const maxEpochs = 100;

const Header = Compile(Type.Object({ v: Type.Literal(1), epoch: epochName }));

const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const seq = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const seal = Type.String({ maxLength: 64 });

const ReturnedLine = Compile(
  Type.Union([
    Type.Object({
      epoch: epochName,
      seq,
      stampEpoch: Type.String({ maxLength: 64 }),
      stampSeq: whole,
      committedAt: whole,
      lsn: whole,
      body: Type.String(),
      seal,
    }),
    Type.Object({ block: Type.String(), seal, upTo: seq }),
  ]),
);

export function addRestore(server: FastifyInstance, salvage: Salvage): void {
  const body = Type.Object({ epochs: Type.Array(epochName, { minItems: 1, maxItems: maxEpochs }) });
  server.post<{ Body: Type.Static<typeof body> }>('/v1/restore/point', { schema: { body } }, (request) =>
    salvage.point(request.campus, request.body.epochs),
  );

  server.post('/v1/restore/entries', async (request) => {
    if (!Buffer.isBuffer(request.body)) {
      throw new RelayError('REQUEST_INVALID', 'content-type: entries are sent as application/zstd.');
    }
    const [header, ...lines] = await decodeLines(request.body);
    if (!Header.Check(header)) throw new RelayError('BATCH_MALFORMED', 'Line 1 is no header of entries.');
    const wrong = lines.findIndex((line) => !ReturnedLine.Check(line));
    if (wrong !== -1)
      throw new RelayError('BATCH_MALFORMED', `Line ${wrong + 2} is no entry of a feed, and no block.`);
    return salvage.giveBack(request.campus, header.epoch, lines as (ReturnedEntry | ReturnedBlock)[]);
  });
}
