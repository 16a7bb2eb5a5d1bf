/** What a school's person reads about conflicts, in French and English. */
import type { NewDecision, StandingDecision } from '../decision.ts';
import type { ConflictKind, ConflictStatus } from '../entry.ts';
import type { Language } from '../errors.ts';

interface KindWords {
  title: string;
  explanation: string;
}

export const kindWords: Record<ConflictKind, Record<Language, KindWords>> = {
  insert_exists: {
    en: {
      title: 'Entered twice',
      explanation: 'Both sites made the same record, with other values.',
    },
    fr: {
      title: 'Saisi deux fois',
      explanation: 'Les deux sites ont créé la même fiche, avec des valeurs différentes.',
    },
  },
  update_differs: {
    en: {
      title: 'Changed on both sides',
      explanation: 'The campus and the cloud gave the same field other values.',
    },
    fr: {
      title: 'Modifié des deux côtés',
      explanation: 'Le site et le cloud ont donné au même champ des valeurs différentes.',
    },
  },
  update_missing: {
    en: {
      title: 'Changed here, deleted there',
      explanation: 'The campus changed a record that had been deleted in the cloud.',
    },
    fr: {
      title: 'Modifié ici, supprimé là-bas',
      explanation: 'Le site a modifié une fiche qui avait été supprimée dans le cloud.',
    },
  },
  delete_differs: {
    en: {
      title: 'Deleted here, changed there',
      explanation: 'The campus deleted a record that had been changed in the cloud.',
    },
    fr: {
      title: 'Supprimé ici, modifié là-bas',
      explanation: 'Le site a supprimé une fiche qui avait été modifiée dans le cloud.',
    },
  },
  delete_missing: {
    en: { title: 'Deleted on both sides', explanation: 'There is nothing to decide.' },
    fr: { title: 'Supprimé des deux côtés', explanation: "Il n'y a rien à trancher." },
  },
  delete_referenced: {
    en: {
      title: 'Cannot be deleted',
      explanation: 'Other records in the cloud still belong to the one that the campus deleted.',
    },
    fr: {
      title: 'Suppression impossible',
      explanation: 'Dans le cloud, des fiches dépendent encore de celle que le site a supprimée.',
    },
  },
  unique_clash: {
    en: {
      title: 'Already in use',
      explanation: 'Another record in the cloud has the same unique value.',
    },
    fr: {
      title: 'Valeur déjà prise',
      explanation: 'Une autre fiche du cloud porte la même valeur unique.',
    },
  },
  parent_missing: {
    en: {
      title: 'What it belongs to is missing',
      explanation: 'The campus entered something under a record that the cloud does not have.',
    },
    fr: {
      title: 'Fiche de rattachement absente',
      explanation: "Le site a saisi quelque chose sous une fiche que le cloud n'a pas.",
    },
  },
  check_violated: {
    en: {
      title: 'Not allowed by a rule',
      explanation: 'A value breaks a rule of the database in the cloud.',
    },
    fr: {
      title: 'Contraire à une règle',
      explanation: 'Une valeur enfreint une règle de la base de données du cloud.',
    },
  },
  column_unknown: {
    en: {
      title: 'Field unknown in the cloud',
      explanation: 'The campus wrote a field that the cloud does not have yet.',
    },
    fr: {
      title: 'Champ inconnu du cloud',
      explanation: "Le site a rempli un champ que le cloud n'a pas encore.",
    },
  },
  out_of_scope: {
    en: { title: "Another campus's record", explanation: 'The record does not belong to this campus.' },
    fr: { title: "Fiche d'un autre site", explanation: "La fiche n'appartient pas à ce site." },
  },
  forbidden: {
    en: { title: 'Not for the campus to change', explanation: 'Only the cloud may change this.' },
    fr: { title: 'Modification réservée', explanation: 'Seul le cloud peut modifier cela.' },
  },
};

export const statusWords: Record<ConflictStatus, Record<Language, string>> = {
  open: { en: 'open', fr: 'ouvert' },
  settled: { en: 'settled by rule', fr: 'réglé par une règle' },
  decided: { en: 'decided', fr: 'tranché' },
};

type Action = NewDecision['action'] | StandingDecision['action'];

export const actionWords: Record<Action, Record<Language, string>> = {
  campus: { en: "the campus's stands", fr: 'celle du site est gardée' },
  cloud: { en: "the cloud's stands", fr: 'celle du cloud est gardée' },
  values: { en: 'other values', fr: "d'autres valeurs" },
  retry: { en: 'tried again', fr: 'à réessayer' },
  edit: { en: 'tried with other values', fr: "à réessayer avec d'autres valeurs" },
  drop: { en: 'dropped', fr: 'abandonné' },
  undrop: { en: 'being undone', fr: "en cours d'annulation" },
};

const english = {
  conflicts: (total: number, open: number) =>
    `${total} ${total === 1 ? 'conflict' : 'conflicts'}, ${open} open`,
  none: 'No conflicts.',
  more: (after: string) => `More: --after ${after}`,
  colon: ':',
  campus: 'campus',
  cloud: 'cloud',
  before: 'before',
  kept: 'kept',
  column: 'column',
  deleted: '(deleted)',
  row: '(record)',
  exists: '(there)',
  unknownBy: '?',
  reason: 'Reason',
  rule: 'Rule',
  waits: 'Waits',
  change: 'change',
  decidedBy: (by: string, at: string, action: string) => `Decided by ${by}, ${at}: ${action}`,
  undone: (by: string, at: string, action: string) => `Undone by ${by}, ${at}: ${action}`,
  refused: (by: string, action: string) => `The cloud could not carry out: ${action} (${by})`,
  about: (id: string) => `The conflict ${id} was decided at both sites; this is what the two decided.`,
  choose: 'To decide',
  nowStands: 'It has changed since; now',
  nothingWritten: 'nothing has to be written: it stands so already',
  noRow: '(no record)',
  willWrite: { insert: 'brings back', update: 'writes', delete: 'deletes' },
  inCloud: 'the cloud carries it out',
  asked: (count: number) => `Write ${count === 1 ? 'this decision' : `these ${count} decisions`}?`,
  askedUndo: (count: number) => `Undo ${count === 1 ? 'this decision' : `these ${count} decisions`}?`,
  written: (count: number) => `${count} ${count === 1 ? 'decision' : 'decisions'} written.`,
  undid: (count: number) => `${count} ${count === 1 ? 'decision' : 'decisions'} undone.`,
  dryRun: 'Nothing was written.',
  notWritten: (bad: number, all: number) =>
    all === 1 ? 'Nothing was written.' : `Nothing was written: ${bad} of ${all} cannot be.`,
  nobodyToAsk: 'Nobody is there to ask: give --yes.',
};

export type Phrases = typeof english;

const french: Phrases = {
  conflicts: (total, open) =>
    `${total} ${total < 2 ? 'conflit' : 'conflits'}, dont ${open} ${open < 2 ? 'ouvert' : 'ouverts'}`,
  none: 'Aucun conflit.',
  more: (after) => `Suite : --after ${after}`,
  colon: ' :',
  campus: 'site',
  cloud: 'cloud',
  before: 'avant',
  kept: 'retenu',
  column: 'colonne',
  deleted: '(supprimée)',
  row: '(fiche)',
  exists: '(présente)',
  unknownBy: '?',
  reason: 'Motif',
  rule: 'Règle',
  waits: 'En attente',
  change: 'modification',
  decidedBy: (by, at, action) => `Tranché par ${by}, ${at} : ${action}`,
  undone: (by, at, action) => `Annulé par ${by}, ${at} : ${action}`,
  refused: (by, action) => `Le cloud n'a pas pu exécuter : ${action} (${by})`,
  about: (id) => `Le conflit ${id} a été tranché sur les deux sites ; voici les deux décisions.`,
  choose: 'Pour trancher',
  nowStands: 'Modifié depuis ; à présent',
  nothingWritten: "rien à écrire : c'est déjà ainsi",
  noRow: '(aucune fiche)',
  willWrite: { insert: 'rétablit', update: 'écrit', delete: 'supprime' },
  inCloud: "le cloud s'en charge",
  asked: (count) => (count === 1 ? 'Écrire cette décision ?' : `Écrire ces ${count} décisions ?`),
  askedUndo: (count) => (count === 1 ? 'Annuler cette décision ?' : `Annuler ces ${count} décisions ?`),
  written: (count) => (count < 2 ? `${count} décision écrite.` : `${count} décisions écrites.`),
  undid: (count) => (count < 2 ? `${count} décision annulée.` : `${count} décisions annulées.`),
  dryRun: "Rien n'a été écrit.",
  notWritten: (bad, all) =>
    all === 1 ? "Rien n'a été écrit." : `Rien n'a été écrit : ${bad} sur ${all} ne peuvent l'être.`,
  nobodyToAsk: "Il n'y a personne à qui demander : ajoutez --yes.",
};

export const phrases: Record<Language, Phrases> = { en: english, fr: french };

/** The language of a locale such as `fr_CM.UTF-8` or `fr-FR,en;q=0.8`; English where it names none of ours. */
export function languageOf(locale: string | undefined): Language {
  return /^\s*fr\b|^\s*fr_/i.test(locale ?? '') ? 'fr' : 'en';
}
