/** What the page says, in both languages. A function takes what the sentence is about. */

/** French counts none and one as singular. */
const many = (count, word) => `${count}\u00a0${word}${count > 1 ? 's' : ''}`;

const words = {
  fr: {
    other: 'English',
    login: 'Connexion',
    loginName: 'Identifiant',
    password: 'Mot de passe',
    enter: 'Se connecter',
    logout: 'Quitter',
    back: 'Retour',
    classes: 'Classes',
    today: 'Appel du jour',
    pupils: (count) => many(count, 'élève'),
    francophone: 'Section francophone',
    anglophone: 'Section anglophone',
    period: (number) => `Heure ${number}`,
    present: 'Présent',
    absent: 'Absent',
    late: 'En retard',
    excused: 'Excusé',
    shortPresent: 'P',
    shortAbsent: 'A',
    shortLate: 'R',
    shortExcused: 'E',
    counts: ({ present, absent, late, excused }) =>
      [
        many(present, 'présent'),
        many(absent, 'absent'),
        many(late, 'retard'),
        excused > 0 && many(excused, 'excusé'),
      ]
        .filter(Boolean)
        .join(' · '),
    save: "Enregistrer l'appel",
    saveAgain: 'Corriger',
    takenBy: (name) => `Appel fait par ${name}`,
    saved: 'Appel enregistré',
    checking: 'Réponse incertaine : la page vérifie, rien ne sera compté deux fois.',
    waiting: (count) => `${many(count, 'envoi')} en attente sur cet appareil`,
    local: 'Mode local : votre travail est gardé ici et sera envoyé.',
    servedCloud: 'Servi par le cloud',
    servedCampus: (site) => `Servi par le boîtier de ${site}`,
    servedNone: 'Pas de réponse du serveur',
    noAnswer: 'Le serveur ne répond pas. La page réessaie.',
    loading: 'Chargement…',
    empty: 'Aucune classe.',
    refused: 'Refusé',
    dismiss: 'Vu',
    locale: 'fr-FR',
  },
  en: {
    other: 'Français',
    login: 'Log in',
    loginName: 'Login',
    password: 'Password',
    enter: 'Log in',
    logout: 'Log out',
    back: 'Back',
    classes: 'Classes',
    today: "Today's roll calls",
    pupils: (count) => `${count} pupil${count === 1 ? '' : 's'}`,
    francophone: 'Francophone section',
    anglophone: 'Anglophone section',
    period: (number) => `Period ${number}`,
    present: 'Present',
    absent: 'Absent',
    late: 'Late',
    excused: 'Excused',
    shortPresent: 'P',
    shortAbsent: 'A',
    shortLate: 'L',
    shortExcused: 'E',
    counts: ({ present, absent, late, excused }) =>
      [`${present} present`, `${absent} absent`, `${late} late`, excused > 0 && `${excused} excused`]
        .filter(Boolean)
        .join(' · ')
        .replace(/(\d) /g, '$1\u00a0'),
    save: 'Save roll call',
    saveAgain: 'Correct',
    takenBy: (name) => `Called by ${name}`,
    saved: 'Roll call saved',
    checking: 'The answer got lost: the page is checking, nothing will count twice.',
    waiting: (count) => `${count} change${count === 1 ? '' : 's'} waiting on this device`,
    local: 'Local mode: your work is kept here and will be sent.',
    servedCloud: 'Served by the cloud',
    servedCampus: (site) => `Served by the box at ${site}`,
    servedNone: 'No answer from the server',
    noAnswer: 'The server does not answer. The page keeps trying.',
    loading: 'Loading…',
    empty: 'No classes.',
    refused: 'Refused',
    dismiss: 'Seen',
    locale: 'en-GB',
  },
};

const stored = localStorage.getItem('skooly-language');
let language = stored ?? (navigator.language.startsWith('en') ? 'en' : 'fr');

export const currentLanguage = () => language;

export function say(word, about) {
  const entry = words[language][word];
  return typeof entry === 'function' ? entry(about) : entry;
}

export function switchLanguage() {
  setLanguage(language === 'fr' ? 'en' : 'fr');
  localStorage.setItem('skooly-language', language);
}

/** The user's own language, unless this device was switched by hand. */
export function preferLanguage(preferred) {
  if (localStorage.getItem('skooly-language') === null) setLanguage(preferred);
}

function setLanguage(next) {
  language = next === 'en' ? 'en' : 'fr';
  document.documentElement.lang = language;
}

setLanguage(language);
