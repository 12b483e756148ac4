const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const capitals = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const smallLetters = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
const capitalsButHan = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]'
const smallLettersButHan = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]'
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const deepseekSigns =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+'
// Cased letters, in code points: an editor that normalises Unicode would merge some of them.
const deepseekLetters =
  '\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376' +
  '\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556' +
  '\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a' +
  '\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4' +
  '\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc' +
  '\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f' +
  '\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b' +
  '\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a' +
  '\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}' +
  '\u{1e900}-\u{1e943}]+'

/** The cuts of well-known tokenizers, as their files spell them. */
export const wordPatterns = {
  gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  /** cl100k: Llama 3, Phi 4, OLMo 2, Granite. */
  llama3: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  /** Qwen 2, 2.5 and 3. */
  qwen2: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  qwen35: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${spaces}`,
  /** o200k: gpt-oss, Llama 4, MiniMax. */
  gpt4o: `[^\\r\\n\\p{L}\\p{N}]?${capitals}*${smallLetters}+${contractions}?|[^\\r\\n\\p{L}\\p{N}]?${capitals}+${smallLetters}*${contractions}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
  /** Mistral Nemo and later, Nemotron 3. */
  tekken: `[^\\r\\n\\p{L}\\p{N}]?${capitals}*${smallLetters}+|[^\\r\\n\\p{L}\\p{N}]?${capitals}+${smallLetters}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
  lineBreak: '[\r\n]',
  deepseekLetters,
  deepseekPunctuation: '\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+',
  deepseekIdeographs: '[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+',
  spacesAtEnd: '\\s+$',
  digits: '\\p{N}+',
  digit: '\\p{N}',
  threeDigits: '\\p{N}{1,3}',
  threeAsciiDigits: '[0-9][0-9][0-9]',
  deepseek3Ideographs: '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+',
  deepseek3: `${deepseekSigns}[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+`,
  /** Signs as GGUF's `default` and Falcon cut them. */
  defaultSigns: '[\\p{P}\\$\\+<=>\\^~\\|]+',
  falconSigns: '[\\p{P}\\$\\+<=>\\^~\\|`]+',
} as const

const linear: readonly string[] = [
  ...Object.values(wordPatterns).filter((pattern) => pattern !== wordPatterns.spacesAtEnd),
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  // MiniCPM 5; LLaDA.
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
  // Kimi.
  `[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?${capitalsButHan}*${smallLettersButHan}+${contractions}?|[^\\r\\n\\p{L}\\p{N}]?${capitalsButHan}+${smallLettersButHan}*${contractions}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  // DeepSeek: Coder 1, Spark.
  '\\s?\\p{L}+',
  '\\s?\\p{P}+',
  `${deepseekSigns}|[\r\n]|\\s+(?!\\S)|\\s+`,
  // Digits; normalizers of T5, ALBERT and Marian.
  '\\d',
  '\\d+',
  ' {2,}',
  '\\s+',
]

const bloom = ' ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+'

/** JavaScript's `\s` has U+FEFF and lacks U+0085; that of the tokenizers is Unicode's White_Space. */
function withUnicodeSpaces(pattern: string): string {
  return pattern.replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}')
}

/**
 * The regular expressions of real tokenizers that take linear time on every text, each with what is run in its place: spaces are
 * Unicode's, and `\s+$` (DeepSeek), which tries every suffix of a run of spaces, is run as its equal that starts with the run only.
 * BLOOM's is left as it is, because the library knows it by its letters.
 */
export const knownPatterns: ReadonlyMap<string, string> = new Map([
  ...linear.map((pattern): [string, string] => [pattern, withUnicodeSpaces(pattern)]),
  [bloom, bloom],
  [wordPatterns.spacesAtEnd, withUnicodeSpaces('(?<!\\s)\\s+$')],
])
