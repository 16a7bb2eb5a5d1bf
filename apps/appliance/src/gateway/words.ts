/** What a user on campus reads when the gateway itself has to answer, in French and English. */
export type Language = 'fr' | 'en';

interface Words {
  title: string;
  message: string;
  advice: string;
}

interface Answer extends Record<Language, Words> {
  status: number;
}

export const answers = {
  OUTCOME_UNKNOWN: {
    status: 504,
    fr: {
      title: 'Résultat inconnu',
      message:
        "La liaison s'est interrompue pendant l'envoi. On ne sait pas si votre enregistrement a été fait.",
      advice: "Avant de recommencer, vérifiez s'il figure déjà dans la liste.",
    },
    en: {
      title: 'Unknown outcome',
      message: 'The link broke while your entry was being sent. It is not known whether it was recorded.',
      advice: 'Before you try again, check whether it is already in the list.',
    },
  },
  BOX_APP_UNREACHABLE: {
    status: 502,
    fr: {
      title: 'Skooly ne répond pas',
      message: 'Le boîtier fonctionne, mais Skooly ne répond pas sur ce site.',
      advice: 'Réessayez dans une minute ; si cela dure, prévenez le technicien du site.',
    },
    en: {
      title: 'Skooly does not answer',
      message: 'The box is working, but Skooly does not answer on this campus.',
      advice: 'Try again in a minute; if it goes on, tell the campus technician.',
    },
  },
  BOX_NOT_READY: {
    status: 503,
    fr: {
      title: 'Le boîtier se prépare',
      message: "Le boîtier n'a pas encore reçu les données de l'école, et la liaison est coupée.",
      advice: 'Il reprendra seul dès le retour de la liaison.',
    },
    en: {
      title: 'The box is getting ready',
      message: "The box has not yet received the school's data, and the link is down.",
      advice: 'It goes on by itself as soon as the link is back.',
    },
  },
  DISK_FULL: {
    status: 507,
    fr: {
      title: 'Le boîtier est plein',
      message: "Le disque du boîtier est presque plein : votre saisie n'a pas été enregistrée.",
      advice:
        "Gardez-la et prévenez tout de suite le technicien du site. La consultation reste possible ; rien de ce qui a été enregistré n'est perdu.",
    },
    en: {
      title: 'The box is full',
      message: "The box's disk is nearly full: your entry was not recorded.",
      advice:
        'Keep it and tell the campus technician at once. Reading still works; nothing that was recorded is lost.',
    },
  },
  CLOUD_APP_UNREACHABLE: {
    status: 502,
    fr: {
      title: 'Skooly ne répond pas',
      message: "Skooly ne répond pas dans le cloud, et le boîtier n'a pas encore les données de l'école.",
      advice: 'Réessayez dans une minute.',
    },
    en: {
      title: 'Skooly does not answer',
      message: "Skooly does not answer in the cloud, and the box does not have the school's data yet.",
      advice: 'Try again in a minute.',
    },
  },
  UPGRADE_REFUSED: {
    status: 501,
    fr: {
      title: 'Connexion non prise en charge',
      message: 'Le boîtier ne transmet pas les connexions WebSocket.',
      advice: 'Utilisez des requêtes HTTP ordinaires.',
    },
    en: {
      title: 'Connection not supported',
      message: 'The box does not pass WebSocket connections on.',
      advice: 'Use ordinary HTTP requests.',
    },
  },
  REQUEST_REFUSED: {
    status: 400,
    fr: {
      title: 'Requête refusée',
      message: 'Cette requête ne peut pas être transmise.',
      advice: "Vérifiez l'adresse.",
    },
    en: {
      title: 'Request refused',
      message: 'This request cannot be passed on.',
      advice: 'Check the address.',
    },
  },
  NOT_FOUND: {
    status: 404,
    fr: {
      title: 'Page introuvable',
      message: "Le boîtier n'a rien à cette adresse.",
      advice: "Vérifiez l'adresse.",
    },
    en: { title: 'Not found', message: 'The box has nothing at this address.', advice: 'Check the address.' },
  },
} as const satisfies Record<string, Answer>;

export type AnswerCode = keyof typeof answers;

/** The language that the client prefers of the two; French when it asks for neither. */
export function languageOf(acceptLanguage: string | undefined): Language {
  const wanted = (acceptLanguage ?? '')
    .split(',')
    .map((part) => {
      const [tag = '', ...parameters] = part.trim().toLowerCase().split(';');
      const quality = parameters.map((text) => /^\s*q=([\d.]+)/.exec(text)?.[1]).find(Boolean);
      return { language: tag.trim().slice(0, 2), quality: quality === undefined ? 1 : Number(quality) };
    })
    .filter(({ language, quality }) => (language === 'fr' || language === 'en') && quality > 0)
    .sort((a, b) => b.quality - a.quality);
  return wanted[0]?.language === 'en' ? 'en' : 'fr';
}
