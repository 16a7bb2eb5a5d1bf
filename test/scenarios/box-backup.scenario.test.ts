import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeManifestKey, openObject, openRegion, readManifest } from '@skooly-edge/backup-core';
import { generateKey, readPrivateKey } from 'openpgp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RegionCredentials } from '../../packages/backup-core/src/region/settings.ts';
import { archiveCommand } from '../../packages/backup-core/src/source/wal/archive-access.ts';
import { manifestStoreOf } from '../../packages/backup-core/src/upload/manifest-store.ts';
import { startTestLab, type TestLab, temporaryFolder } from '../support/lab.ts';
import { query, until, untilState } from './steps.ts';

const site = 'mvan';
const dir = temporaryFolder();
const configFile = join(dir, 'backup.json');
const accessFile = join(dir, 'archive-access');

let world: TestLab;
const lab = () => world.lab;

beforeAll(async () => {
  const archiving = { archive_mode: 'on', archive_timeout: 60, fsync: false, full_page_writes: false };
  const archive = { archive_command: archiveCommand(accessFile) };
  const env = { appliance: { EDGE_BACKUP_CONFIG: configFile } };
  world = await startTestLab({ env, postgresSettings: { ...archiving, ...archive } });
});
afterAll(() => world?.close());

const secret = (name: string, text: string) => {
  writeFileSync(join(dir, name), text, { mode: 0o600 });
  return join(dir, name);
};

async function writeConfig() {
  const keys = await Promise.all(
    ['administrator', 'recovery'].map(async (name) => {
      const userIDs = [{ name, email: `${name}@example.org` }];
      const { publicKey, privateKey } = await generateKey({ type: 'ecc', userIDs });
      return { file: secret(`${name}.asc`, publicKey), privateKey };
    }),
  );
  const manifestKeyFile = join(dir, 'manifest.pem');
  const { publicKey } = await makeManifestKey(manifestKeyFile);
  const { campus } = lab().addresses();
  const { uid } = statSync(join(lab().world.layout.campusPostgres, 'postgres.log'));
  const config = {
    site,
    stateDir: join(dir, 'state'),
    manifestKeyFile,
    databaseUrlFile: secret('database-url', campus.postgres),
    recipients: keys.map(({ file }) => ({ file, enrolledAt: new Date().toISOString() })),
    archive: { accessFile, ...(process.getuid?.() === 0 && uid !== undefined && { serverUser: 'postgres' }) },
    regions: campus.regions.map(({ name, endpoint, bucket, credentials }) => ({
      name,
      endpoint,
      bucket,
      accessKeyId: credentials.accessKeyId,
      secretKeyFile: secret(`${name}-secret`, credentials.secretAccessKey),
    })),
  };
  mkdirSync(config.stateDir);
  chmodSync(dir, 0o755);
  writeFileSync(configFile, JSON.stringify(config));
  return { publicKey, privateKey: await readPrivateKey({ armoredKey: keys[1]?.privateKey ?? '' }) };
}

test('what a box wrote in a cut and could not send is in both regions, sealed, once the cable is back', async () => {
  const { publicKey, privateKey } = await writeConfig();
  await lab().stop('appliance');
  await lab().start('appliance');
  await lab().cable.cut();
  await untilState(lab(), 'LOCAL');
  await query(
    lab(),
    'campus',
    "update pupil set guardian_phone = '237699000031' where matricule = (select min(matricule) from pupil)",
  );
  await lab().cable.heal();
  for (const { name, endpoint, bucket, credentials } of lab().addresses().regions) {
    const { accessKeyId, secretAccessKey } = credentials;
    const region = openRegion({
      name,
      endpoint,
      bucket,
      credentials: new RegionCredentials(accessKeyId, secretAccessKey),
      abilitiesFile: null,
    });
    const store = manifestStoreOf(region, { folder: join(dir, `read-${name}`) });
    const lines = async () => {
      const { live } = await readManifest(store, { site, trusted: [{ site, publicKey }] });
      const texts = live.map(async ({ object }) => {
        if (object.kind !== 'sync-log') return '';
        const plain = openObject(await region.get(object.name), object, { kind: 'key', privateKey });
        return Buffer.concat(await Array.fromAsync(plain)).toString();
      });
      return (await Promise.all(texts)).join('');
    };
    await until(`${name} has it`, async () => (await lines()).includes('237699000031'), 120_000);
    expect(await lines()).toMatch(/"guardian_phone":"237699000031"/);
    region.close();
  }
});
