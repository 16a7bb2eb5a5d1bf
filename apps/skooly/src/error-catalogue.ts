/** Every refusal that the API can answer: status, the sentence in both languages, and what to do about it. */
interface CatalogueEntry {
  status: number;
  fr: string;
  en: string;
  advice?: { fr: string; en: string };
}

const entries = {
  REQUEST_INVALID: {
    status: 400,
    fr: 'La demande est mal formée.',
    en: 'The request is not well formed.',
  },
  TIME_IMPLAUSIBLE: {
    status: 400,
    fr: "La date ou l'heure envoyée n'est pas plausible.",
    en: 'The date or time that was sent is not plausible.',
    advice: { fr: "Vérifiez l'horloge de cet appareil.", en: 'Check the clock of this device.' },
  },
  LOGIN_FAILED: {
    status: 401,
    fr: 'Identifiant ou mot de passe incorrect.',
    en: 'The login or the password is wrong.',
    advice: {
      fr: "Demandez un nouveau mot de passe à l'administration.",
      en: 'Ask the office for a new password.',
    },
  },
  SESSION_MISSING: { status: 401, fr: 'Veuillez vous connecter.', en: 'Please log in.' },
  SESSION_INVALID: {
    status: 401,
    fr: "Cette session n'est plus valable.",
    en: 'This session is no longer valid.',
    advice: { fr: 'Connectez-vous à nouveau.', en: 'Log in again.' },
  },
  ROLE_NOT_ALLOWED: {
    status: 403,
    fr: 'Votre fonction ne permet pas cette opération.',
    en: 'Your role does not allow this.',
    advice: { fr: "Adressez-vous au chef d'établissement.", en: 'Ask the head of the school.' },
  },
  NOT_FOUND: { status: 404, fr: 'Introuvable dans votre établissement.', en: 'Not found in your school.' },
  PUPIL_NOT_IN_CLASS: {
    status: 409,
    fr: "Un élève nommé n'est pas dans cette classe.",
    en: 'A pupil that was named is not in this class.',
    advice: { fr: 'Rechargez la liste de la classe.', en: 'Reload the class list.' },
  },
  PUPIL_DIFFERS: {
    status: 409,
    fr: 'Un élève porte déjà cet identifiant, avec un autre contenu.',
    en: 'A pupil has this id already, with different content.',
    advice: { fr: 'Rechargez la fiche avant de recommencer.', en: 'Reload the record before you try again.' },
  },
  MATRICULE_TAKEN: {
    status: 409,
    fr: 'Ce matricule est déjà attribué.',
    en: 'This matricule is taken.',
    advice: { fr: 'Vérifiez le matricule sur le dossier.', en: 'Check the matricule on the file.' },
  },
  PAYMENT_DIFFERS: {
    status: 409,
    fr: 'Un versement porte déjà cet identifiant, avec un autre contenu.',
    en: 'A payment has this id already, with different content.',
    advice: {
      fr: "Regardez les versements de l'élève avant d'encaisser à nouveau.",
      en: "Look at the pupil's payments before you take money again.",
    },
  },
  OPERATOR_TRANSACTION_USED: {
    status: 409,
    fr: "Ce numéro de transaction de l'opérateur a déjà servi.",
    en: 'This transaction number of the operator was used before.',
    advice: { fr: 'Demandez au parent le SMS original.', en: 'Ask the parent for the original SMS.' },
  },
  ALREADY_REVERSED: {
    status: 409,
    fr: 'Ce versement est déjà annulé.',
    en: 'This payment is reversed already.',
  },
  NOT_REVERSIBLE: {
    status: 409,
    fr: "Une annulation ne s'annule pas.",
    en: 'A reversal cannot be reversed.',
    advice: { fr: 'Saisissez un nouveau versement.', en: 'Record a new payment.' },
  },
  ROW_REFUSED: {
    status: 409,
    fr: 'Ces données contredisent ce qui est déjà enregistré.',
    en: 'This contradicts what is recorded already.',
    advice: { fr: 'Rechargez la page.', en: 'Reload the page.' },
  },
  DATABASE_AWAY: {
    status: 503,
    fr: "La base de données ne répond pas pour l'instant.",
    en: 'The database does not answer at the moment.',
    advice: {
      fr: 'Renvoyez la même demande : elle ne sera pas enregistrée deux fois.',
      en: 'Send the same request again: it will not be recorded twice.',
    },
  },
  TRY_AGAIN: {
    status: 503,
    fr: 'Deux écritures se sont croisées.',
    en: 'Two writes crossed.',
    advice: { fr: 'Renvoyez la même demande.', en: 'Send the same request again.' },
  },
  INTERNAL: {
    status: 500,
    fr: 'Erreur interne.',
    en: 'Internal error.',
    advice: { fr: "Prévenez l'administrateur.", en: 'Tell the administrator.' },
  },
} satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof entries;

export const errorCatalogue: Record<ErrorCode, CatalogueEntry> = entries;
