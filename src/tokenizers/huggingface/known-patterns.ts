const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const capitals = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const smallLetters = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
const capitalsButHan = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]'
const smallLettersButHan = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]'
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const deepseekSigns =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+'
const deepseekLetters =
  '\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+'

const linear: readonly string[] = [
  // GPT-2 and its kin, spelled out.
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  // cl100k: Llama 3, Phi 4, OLMo 2, Granite.
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  // Qwen 2, 2.5 and 3; MiniCPM 5; Qwen 3.5; LLaDA.
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${spaces}`,
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
  // o200k: gpt-oss, Llama 4, MiniMax. Tekken: Mistral Nemo and later, Nemotron 3.
  `[^\\r\\n\\p{L}\\p{N}]?${capitals}*${smallLetters}+${contractions}?|[^\\r\\n\\p{L}\\p{N}]?${capitals}+${smallLetters}*${contractions}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
  `[^\\r\\n\\p{L}\\p{N}]?${capitals}*${smallLetters}+|[^\\r\\n\\p{L}\\p{N}]?${capitals}+${smallLetters}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
  // Kimi.
  `[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?${capitalsButHan}*${smallLettersButHan}+${contractions}?|[^\\r\\n\\p{L}\\p{N}]?${capitalsButHan}+${smallLettersButHan}*${contractions}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  // DeepSeek: LLM and Coder, Coder 1, V3 and later, Spark.
  '[\r\n]',
  deepseekLetters,
  '\\s?[!-/:-~！-／：-～‘-‟　-。]+',
  '[一-龥ࠀ-一가-퟿]+',
  '\\s?\\p{L}+',
  '\\s?\\p{P}+',
  '\\p{N}{1,3}',
  '[一-龥぀-ゟ゠-ヿ]+',
  `${deepseekSigns}[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+`,
  `${deepseekSigns}|[\r\n]|\\s+(?!\\S)|\\s+`,
  // Falcon; BLOOM.
  '[0-9][0-9][0-9]',
  ' ?[^(\\s|[.,!?…。，、।۔،])]+',
  // Digits; normalizers of T5, ALBERT and Marian.
  '\\p{N}',
  '\\p{N}+',
  '\\d',
  '\\d+',
  ' {2,}',
  '\\s+',
]

/**
 * The regular expressions of real tokenizers that take linear time on every text, each with what is run in its place. Only one is
 * rewritten: `\s+$` (DeepSeek) tries every suffix of a run of spaces, so its equal that starts with the run only is used.
 */
export const knownPatterns: ReadonlyMap<string, string> = new Map([
  ...linear.map((pattern): [string, string] => [pattern, pattern]),
  ['\\s+$', '(?<!\\s)\\s+$'],
])
