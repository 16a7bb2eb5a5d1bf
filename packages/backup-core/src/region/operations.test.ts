import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../../OPERATIONS.md', import.meta.url), 'utf8');
const [lifecycle, policy] = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) =>
  JSON.parse(text as string),
);

interface Statement {
  Sid: string;
  Effect: 'Allow' | 'Deny';
  Principal: { AWS: string[] };
  Action: string[];
  Resource: string | string[];
}
const statements: Statement[] = policy.Statement;
const actionsOf = (user: string, effect: Statement['Effect']) =>
  new Set(
    statements
      .filter((one) => one.Effect === effect && one.Principal.AWS.some((who) => who.endsWith(`/${user}`)))
      .flatMap(({ Action }) => Action),
  );

/** What S3 asks a permission for, by the call. A GET of a version has one of its own. */
const needs: Record<string, string[]> = {
  AbortMultipartUpload: ['s3:AbortMultipartUpload'],
  CompleteMultipartUpload: ['s3:PutObject'],
  CreateMultipartUpload: ['s3:PutObject'],
  DeleteObject: ['s3:DeleteObject'],
  GetObject: ['s3:GetObject', 's3:GetObjectVersion'],
  GetObjectRetention: ['s3:GetObjectRetention'],
  HeadBucket: ['s3:ListBucket'],
  HeadObject: ['s3:GetObject'],
  ListObjectVersions: ['s3:ListBucketVersions'],
  ListObjectsV2: ['s3:ListBucket'],
  ListParts: ['s3:ListMultipartUploadParts'],
  PutObject: ['s3:PutObject'],
  PutObjectRetention: ['s3:PutObjectRetention'],
  UploadPart: ['s3:PutObject'],
};

function callsOfTheCode(): string[] {
  const folder = new URL('.', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const found = files.flatMap((name) =>
    [...readFileSync(new URL(name, folder), 'utf8').matchAll(/new (\w+)Command\(/g)].map(
      ([, call]) => call as string,
    ),
  );
  return [...new Set(found)].sort();
}

test('the policy of OPERATIONS.md allows a site what the code asks of a region, and nothing else', () => {
  expect(callsOfTheCode()).toEqual(Object.keys(needs).sort());
  expect([...actionsOf('mvan', 'Allow')].sort()).toEqual([...new Set(Object.values(needs).flat())].sort());
});

test('a site can neither delete a version, nor break a lock, nor change the bucket', () => {
  for (const action of ['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention', 's3:PutBucketPolicy'])
    expect(actionsOf('mvan', 'Deny')).toContain(action);
  for (const { Sid, Effect, Action, Resource } of statements) {
    if (Effect !== 'Allow' || !Sid.startsWith('Site') || !Action.some((one) => /Put|Delete/.test(one)))
      continue;
    expect(Resource).toBe('arn:aws:s3:::skooly-backup/mvan/*');
  }
});

test('the credential of a restore only reads, and no rule lets a current version expire', () => {
  for (const action of actionsOf('restore', 'Allow')) expect(action).toMatch(/^s3:(Get|List)/);
  for (const rule of lifecycle.Rules) expect(Object.keys(rule)).not.toContain('Expiration');
});
