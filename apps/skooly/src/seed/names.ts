/** Names as they are met in Yaoundé and Douala: grassland, Beti, Sawa, northern, and anglophone families. */
// biome-ignore format: rows of names
export const familyNames = [
  'Abanda', 'Abega', 'Abessolo', 'Achu', 'Akono', 'Amougou', 'Anyangwe', 'Assiga', 'Atangana', 'Ateba',
  'Awono', 'Ayissi', 'Bassong', 'Bayiha', 'Bekolo', 'Belinga', 'Bello', 'Bihina', 'Biloa', 'Bouba',
  'Che', 'Chi', 'Dibango', 'Djoumessi', 'Ebogo', 'Ebolo', 'Eboua', 'Ekambi', 'Ekotto', 'Elanga',
  'Eloundou', 'Enow', 'Essomba', 'Etoundi', 'Ewane', 'Fokou', 'Fomekong', 'Fonkou', 'Fotso',
  'Fouda', 'Hamadou', 'Ikome', 'Kamdem', 'Kamga', 'Kana', 'Kengne', 'Kenfack', 'Kuate', 'Lobe',
  'Mbah', 'Mballa', 'Mbarga', 'Mbarga Ela', 'Mbella', 'Mbia', 'Mboma', 'Mefire', 'Mengue', 'Messi',
  'Mfoumou', 'Milla', 'Mohamadou', 'Moukandjo', 'Moukoko', 'Mvogo', 'Mvondo', 'Ndam', 'Ndi', 'Ndongo',
  'Ndzana', 'Nfor', 'Ngassa', 'Ngo Bassong', 'Ngo Nlend', 'Ngono', 'Ngoumou', 'Ngu', 'Njoya', 'Nkeng',
  'Nkolo', 'Noah', 'Nono', 'Ntamack', 'Nyobe', 'Oumarou', 'Onana', 'Owona', 'Sadou', 'Simo',
  'Song', 'Tabe', 'Talla', 'Tanyi', 'Tchakounté', 'Tchoumi', 'Tsafack', 'Wamba', 'Wouassi', 'Zambo',
] as const;

// biome-ignore format: rows of names
export const girlNames = [
  'Aïcha', 'Aïssatou', 'Ange', 'Anita', 'Annie', 'Bernadette', 'Blessing', 'Brenda', 'Carine', 'Chantal',
  'Clarisse', 'Danielle', 'Delphine', 'Divine', 'Édith', 'Emmanuelle', 'Estelle', 'Fadimatou', 'Favour', 'Flore',
  'Franckline', 'Grâce', 'Hadja', 'Hermine', 'Inès', 'Jeanne', 'Joyce', 'Laure', 'Lum', 'Manka',
  'Marie-Claire', 'Mercy', 'Michèle', 'Mireille', 'Nadège', 'Ornella', 'Pascaline', 'Patience', 'Raïssa', 'Rosine',
  'Sandrine', 'Solange', 'Stéphanie', 'Sylvie', 'Vanessa', 'Viviane', 'Yolande', 'Yvette', 'Zeinabou', 'Zita',
] as const;

// biome-ignore format: rows of names
export const boyNames = [
  'Abdoulaye', 'Achille', 'Alain', 'Aristide', 'Armel', 'Arnaud', 'Bertrand', 'Boris', 'Brice', 'Cédric',
  'Christian', 'Clovis', 'Cyrille', 'Daniel', 'Desmond', 'Dieudonné', 'Elvis', 'Emmanuel', 'Éric', 'Fabrice',
  'Franck', 'Gaëtan', 'Gilles', 'Hervé', 'Ibrahim', 'Jean-Paul', 'Joël', 'Junior', 'Kevin', 'Landry',
  'Loïc', 'Marc', 'Martial', 'Moussa', 'Ndifor', 'Olivier', 'Oumar', 'Parfait', 'Patrick', 'Raoul',
  'Rodrigue', 'Roland', 'Samuel', 'Serge', 'Steve', 'Thierry', 'Ulrich', 'Valentin', 'Wilfried', 'Yannick',
] as const;
