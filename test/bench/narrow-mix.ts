/**
 * What a school writes during a cut, with words: calls of the roll with a reason, remarks of teachers, payments with receipts, corrections.
 * Ids are random and words differ, so it does not compress better than a school's.
 */
import type { Client } from 'pg';
import { campus } from './school-mix.ts';

const vocabulary =
  `bon travail ce trimestre mais doit participer davantage en classe les devoirs sont rendus avec soin quelques erreurs
de calcul il faut revoir la leçon sur fractions élève sérieuse et appliquée attention bavardages résultats progrès encourageants lecture
hésitante écriture soignée absent malade paludisme convocation parents rendez-vous mardi jeudi matin retard taxi pluie marché famille deuil
village voyage certificat médical dispensaire fièvre uniforme cahier manuel sciences histoire géographie anglais dictée orthographe
compréhension exercices réguliers efforts constants excellente moyenne insuffisante peut mieux faire félicitations conseil tableau honneur
persévérez courage concentration oubli matériel bibliothèque projet groupe exposé oral`.split(/\s+/);

const cashier = 'économe';

/** SQL of so many words of the vocabulary, chosen anew for each row. */
const words = (count: number) =>
  `(SELECT string_agg(vocabulary[1 + floor(random() * ${vocabulary.length})::int], ' ') FROM generate_series(1, ${count}))`;

/**
 * SQL that commits `changes / 2` transactions of two changes each: of twenty transactions 7 call the roll, 6 write remarks, 3 take a
 * payment, 4 correct. It commits by itself: run it outside a transaction.
 */
function backlog(changes: number): string {
  return `DO $$
  DECLARE who uuid; other uuid; kind int; vocabulary text[] := '{${vocabulary.join(',')}}';
  BEGIN
    PERFORM setseed(0.42);
    FOR n IN 1 .. ${Math.floor(changes / 2)} LOOP
      kind := n % 20;
      SELECT id INTO who FROM pupil ORDER BY id OFFSET floor(random() * 1200) LIMIT 1;
      SELECT id INTO other FROM pupil ORDER BY id OFFSET floor(random() * 1200) LIMIT 1;
      IF kind < 7 THEN
        INSERT INTO attendance VALUES
          (gen_random_uuid(), '${campus}', who, clock_timestamp(), ${words(12)}, 'prof' || n % 60),
          (gen_random_uuid(), '${campus}', other, clock_timestamp(), ${words(12)}, 'prof' || n % 60);
      ELSIF kind < 13 THEN
        INSERT INTO remark VALUES
          (gen_random_uuid(), '${campus}', who, ${words(80)}, 'prof' || n % 60),
          (gen_random_uuid(), '${campus}', other, ${words(80)}, 'prof' || n % 60);
      ELSIF kind < 16 THEN
        INSERT INTO payment VALUES (md5('narrow ' || n)::uuid, '${campus}', who, 7500, 'cash', clock_timestamp(), '${cashier}');
        INSERT INTO receipt VALUES (gen_random_uuid(), '${campus}', md5('narrow ' || n)::uuid, 'MVAN-N-' || n);
      ELSE
        UPDATE pupil SET guardian_phone = '2376' || floor(random() * 1e8)::int WHERE id = who;
        UPDATE payment SET amount = amount + 500 WHERE id = md5('narrow ' || n - n % 20 + 13)::uuid;
      END IF;
      COMMIT;
    END LOOP;
  END $$;`;
}

/** Every payment of the backlog is in this database. */
export const paymentsQuery = `SELECT count(*)::int AS count FROM payment WHERE recorded_by = '${cashier}'`;

export async function commitNarrowBacklog(client: Client, changes: number): Promise<void> {
  await client.query('SET synchronous_commit = off');
  await client.query(backlog(changes));
  await client.query('SET synchronous_commit = on');
  await client.query(`SELECT pg_logical_emit_message(true, 'bench', 'flush')`);
}
