/**
 * Why nothing was decided. Each has a stable code, a status for HTTP, and a sentence with its advice in both languages,
 * since the person who decides is a school's.
 */
export type Language = 'fr' | 'en';

interface Words {
  message: string;
  advice: string;
}

interface ErrorEntry extends Record<Language, Words> {
  status: 400 | 403 | 404 | 409 | 422;
}

/** `{name}` is filled in. */
export const decisionErrors = {
  CONFLICT_UNKNOWN: {
    status: 404,
    en: { message: 'There is no conflict {id} here.', advice: 'Look at the list of conflicts for its id.' },
    fr: {
      message: "Aucun conflit {id} n'est connu ici.",
      advice: 'Cherchez son identifiant dans la liste des conflits.',
    },
  },
  TOO_MANY: {
    status: 400,
    en: {
      message: '{count} conflicts are more than can be decided at once.',
      advice: 'Decide at most {most} at a time.',
    },
    fr: {
      message: "{count} conflits, c'est plus qu'on ne peut trancher à la fois.",
      advice: 'Tranchez-en au plus {most} à la fois.',
    },
  },
  ALREADY_DECIDED: {
    status: 409,
    en: {
      message: '{by} has decided it already, at {at}: {action}.',
      advice: 'Undo that decision first if another one shall stand.',
    },
    fr: {
      message: "{by} l'a déjà tranché, le {at} : {action}.",
      advice: "Annulez d'abord cette décision si une autre doit valoir.",
    },
  },
  DELETED_TWICE: {
    status: 422,
    en: { message: 'Both sites deleted the row: there is nothing to decide.', advice: 'Leave it as it is.' },
    fr: {
      message: "Les deux sites ont supprimé la ligne : il n'y a rien à trancher.",
      advice: 'Laissez-le tel quel.',
    },
  },
  WENT_THROUGH: {
    status: 422,
    en: {
      message: 'The transaction has gone through meanwhile: there is nothing to decide.',
      advice: 'Its rows are ordinary rows now; change them if they are wrong.',
    },
    fr: {
      message: "La transaction est passée entre-temps : il n'y a rien à trancher.",
      advice: 'Ses lignes sont désormais des lignes ordinaires ; modifiez-les au besoin.',
    },
  },
  ABOUT_A_DECISION: {
    status: 422,
    en: {
      message: 'It tells that the conflict {id} was decided at both sites.',
      advice: 'Look at {id}; if the wrong decision stands, undo it there and decide again.',
    },
    fr: {
      message: 'Il signale que le conflit {id} a été tranché sur les deux sites.',
      advice: 'Regardez {id} ; si la mauvaise décision vaut, annulez-la et tranchez à nouveau.',
    },
  },
  WRONG_ACTION: {
    status: 422,
    en: {
      message: 'A conflict of the kind {kind} cannot be decided by "{action}".',
      advice: 'Use {allowed}.',
    },
    fr: {
      message: 'Un conflit du type {kind} ne peut être tranché par « {action} ».',
      advice: 'Utilisez {allowed}.',
    },
  },
  COLUMN_UNKNOWN: {
    status: 422,
    en: {
      message: '{column} is no column that this decision can set in {table}.',
      advice: 'Use {allowed}.',
    },
    fr: {
      message: "{column} n'est pas une colonne de {table} que cette décision puisse remplir.",
      advice: 'Utilisez {allowed}.',
    },
  },
  VALUES_MISSING: {
    status: 422,
    en: { message: 'No value is given.', advice: 'Give at least one as column=value.' },
    fr: { message: "Aucune valeur n'est donnée.", advice: 'Donnez-en au moins une : colonne=valeur.' },
  },
  CHANGE_UNKNOWN: {
    status: 422,
    en: {
      message: 'The transaction has no change {index} that could be given other values.',
      advice: 'Use the number of a change that writes a row: {allowed}.',
    },
    fr: {
      message: "La transaction n'a pas de modification {index} dont on puisse changer les valeurs.",
      advice: "Utilisez le numéro d'une modification qui écrit une ligne : {allowed}.",
    },
  },
  PARKED_TOO_LARGE: {
    status: 422,
    en: {
      message: 'The transaction is too large to be edited in the inbox.',
      advice: 'Have it tried again, or drop it and enter the rows anew.',
    },
    fr: {
      message: 'La transaction est trop grande pour être modifiée ici.',
      advice: 'Faites-la réessayer, ou abandonnez-la et saisissez à nouveau.',
    },
  },
  FORBIDDEN_HERE: {
    status: 403,
    en: {
      message: 'Campus {site} may not write {what}.',
      advice: 'Have it decided in the cloud.',
    },
    fr: {
      message: "Le site {site} n'a pas le droit d'écrire {what}.",
      advice: 'Faites-le trancher dans le cloud.',
    },
  },
  TABLE_UNKNOWN: {
    status: 422,
    en: {
      message: 'The table {table} is not synced any more.',
      advice: 'Nothing can be written to it from here.',
    },
    fr: {
      message: "La table {table} n'est plus synchronisée.",
      advice: "On ne peut rien y écrire d'ici.",
    },
  },
  ROW_GONE: {
    status: 409,
    en: {
      message: 'The row of {table} has been deleted since.',
      advice: "Keep the cloud's to close the entry and leave it deleted, or create the row anew.",
    },
    fr: {
      message: 'La ligne de {table} a été supprimée depuis.',
      advice: 'Gardez celle du cloud pour clore et la laisser supprimée, ou recréez la ligne.',
    },
  },
  ROW_INCOMPLETE: {
    status: 422,
    en: {
      message: 'The row of {table} cannot be brought back: the conflict does not know {columns}.',
      advice: 'Give these columns their values, or leave the row deleted.',
    },
    fr: {
      message: 'La ligne de {table} ne peut être rétablie : le conflit ne connaît pas {columns}.',
      advice: 'Donnez leurs valeurs à ces colonnes, ou laissez la ligne supprimée.',
    },
  },
  ROW_REFERENCED: {
    status: 409,
    en: {
      message: 'Rows of {child} still refer to this row of {table}.',
      advice: 'Delete or move them first.',
    },
    fr: {
      message: 'Des lignes de {child} se rapportent encore à cette ligne de {table}.',
      advice: "Supprimez-les ou déplacez-les d'abord.",
    },
  },
  DATABASE_REFUSED: {
    status: 409,
    en: { message: 'The database refuses it: {reason}.', advice: 'Decide for values that it takes.' },
    fr: {
      message: 'La base de données le refuse : {reason}.',
      advice: "Choisissez des valeurs qu'elle accepte.",
    },
  },
  NOT_DECIDED: {
    status: 409,
    en: { message: 'Nobody has decided it, so there is nothing to undo.', advice: 'Decide it instead.' },
    fr: { message: "Personne ne l'a tranché : il n'y a rien à annuler.", advice: 'Tranchez-le plutôt.' },
  },
  UNDO_TOO_LATE: {
    status: 409,
    en: {
      message: 'It was decided at {at}, more than {days} days ago.',
      advice: 'Change the row itself; the entry keeps every value.',
    },
    fr: {
      message: 'Il a été tranché le {at}, il y a plus de {days} jours.',
      advice: 'Modifiez la ligne elle-même ; toutes les valeurs restent conservées ici.',
    },
  },
  UNDO_PENDING: {
    status: 409,
    en: {
      message: 'It is being undone already, by {by}; the cloud carries it out.',
      advice: 'Wait until the entry is open again.',
    },
    fr: {
      message: "{by} l'annule déjà ; le cloud s'en charge.",
      advice: 'Attendez que le conflit soit de nouveau ouvert.',
    },
  },
  CHANGED_SINCE: {
    status: 409,
    en: {
      message: '{by} has changed {columns} since: {now} stands now, not {decided}.',
      advice: 'Look at the row; force the undo to overwrite that.',
    },
    fr: {
      message: '{by} a modifié {columns} depuis : on y trouve {now}, et non plus {decided}.',
      advice: "Regardez la ligne ; forcez l'annulation pour écraser ces valeurs.",
    },
  },
  HISTORY_FULL: {
    status: 409,
    en: {
      message: 'It has been decided and undone {most} times.',
      advice: 'Change the row itself; the entry keeps every value.',
    },
    fr: {
      message: 'Il a été tranché et annulé {most} fois.',
      advice: 'Modifiez la ligne elle-même ; toutes les valeurs restent conservées ici.',
    },
  },
} as const satisfies Record<string, ErrorEntry>;

export type DecisionErrorCode = keyof typeof decisionErrors;

export class DecisionError extends Error {
  readonly code: DecisionErrorCode;
  readonly status: number;
  readonly advice: string;
  readonly params: Readonly<Record<string, string>>;

  constructor(code: DecisionErrorCode, params: Record<string, string> = {}, options?: ErrorOptions) {
    const { message, advice } = fill(code, params, 'en');
    super(message, options);
    this.name = 'DecisionError';
    this.code = code;
    this.status = decisionErrors[code].status;
    this.advice = advice;
    this.params = params;
  }

  in(language: Language): Words {
    return fill(this.code, this.params, language);
  }
}

function fill(code: DecisionErrorCode, params: Record<string, string>, language: Language): Words {
  const into = (text: string) => text.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '');
  const { message, advice } = decisionErrors[code][language];
  return { message: into(message), advice: into(advice) };
}
