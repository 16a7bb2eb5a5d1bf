/**
 * Nothing is lost and nothing is settled silently. Every value in a simulation is written once, so that its fate can be followed:
 * what a campus wrote came to stand in the cloud, or was overwritten by the same campus, or is in a conflict; and what stood in
 * the cloud and was overwritten by a campus had been seen there, or is in a conflict.
 */
import { conflictTable } from '@skooly-edge/sync-protocol';
import { type Committed, netChanges, tokensIn, tokensOf } from '../history.ts';
import type { World } from './check.ts';

export function fateOfValues(world: World): string[] {
  const recorded = recordedValues(world);
  return [
    ...acknowledgedWereCommitted(world),
    ...campusValuesLive(world, recorded),
    ...nothingOverwrittenSilently(world, recorded),
  ];
}

/** Values that stand in a conflict, wherever it is by now. */
function recordedValues({ cloudHistory }: World): Set<string> {
  const recorded = new Set<string>();
  for (const { changes } of cloudHistory.commits) {
    for (const { table, after } of changes) {
      if (table !== conflictTable) continue;
      for (const column of ['campus_value', 'cloud_value', 'parked'])
        for (const token of tokensIn(after?.[column])) recorded.add(token);
    }
  }
  return recorded;
}

function acknowledgedWereCommitted({ ledger, cloudHistory, campuses }: World): string[] {
  const written = new Set(
    [cloudHistory, ...campuses.map(({ history }) => history)].flatMap(({ own }) => own.flatMap(afterTokens)),
  );
  return ledger.flatMap(({ site, tokens }) =>
    tokens
      .filter((token) => !written.has(token))
      .map((token) => `${token} was acknowledged at ${site} and never committed`),
  );
}

function campusValuesLive({ cloudHistory, campuses }: World, recorded: ReadonlySet<string>): string[] {
  const inCloud = new Set(cloudHistory.commits.flatMap(afterTokens));
  return campuses.flatMap(({ name, history }) => {
    const overwritten = new Set(
      history.own.flatMap(({ changes }) => changes.flatMap((change) => tokensOf(change, 'before'))),
    );
    return history.own
      .flatMap(afterTokens)
      .filter((token) => !inCloud.has(token) && !recorded.has(token) && !overwritten.has(token))
      .map((token) => `${token} of ${name} is lost: not in the cloud, in no conflict`);
  });
}

function nothingOverwrittenSilently(
  { cloudHistory, campuses }: World,
  recorded: ReadonlySet<string>,
): string[] {
  const seen = new Set(
    campuses.flatMap(({ history }) =>
      history.own.flatMap(({ changes }) => changes.flatMap((change) => tokensOf(change, 'before'))),
    ),
  );
  const problems: string[] = [];
  for (const commit of cloudHistory.commits) {
    const { origin, endLsn } = commit;
    if (origin === null) continue;
    for (const change of netChanges(commit)) {
      if (change.table === conflictTable) continue;
      const kept = new Set(tokensOf(change, 'after'));
      for (const token of tokensOf(change, 'before')) {
        if (!kept.has(token) && !seen.has(token) && !recorded.has(token))
          problems.push(`${token} was overwritten silently at ${endLsn}`);
      }
    }
  }
  return problems;
}

function afterTokens({ changes }: Committed): string[] {
  return changes
    .filter(({ table }) => table !== conflictTable)
    .flatMap((change) => tokensOf(change, 'after'));
}
