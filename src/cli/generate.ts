import { type Command, InvalidArgumentError, Option } from 'commander'
import { collectText } from './collect-text.ts'
import { addContext, type ContextFlags } from './context-flags.ts'
import { addGrammarOptions, type GrammarFlags } from './grammar-flags.ts'
import { givenOptions, optionsAddedBy } from './modality.ts'
import { anyNumber, notNegative, positive, positiveProbability, probability, seed, threadCount, wholeNumber } from './numbers.ts'
import { addPictureOptions, missingBeside, type PictureFlags, tooFewFor } from './picture-flags.ts'

/** The options of sampling as they were given. */
export interface SamplingFlags {
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly typicalP?: number
  readonly repetitionPenalty?: number
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
  readonly noRepeatNgram?: number
  readonly logitBias?: ReadonlyMap<number, number>
  readonly seed?: number
}

/** The options of `nextx generate` as they were given; see `GenerateTextOptions`, `GenerateImagesOptions`. */
export interface GenerateFlags extends SamplingFlags, ContextFlags, GrammarFlags, PictureFlags {
  readonly maxTokens?: number
  readonly stop?: readonly string[]
  readonly topLogprobs?: number
  readonly threads?: number
  readonly echo?: boolean
  readonly json?: boolean
  readonly stats?: boolean
}

const shared = ['temperature', 'topK', 'topP', 'seed']

export function registerGenerate(program: Command): void {
  const command = program
    .command('generate')
    .summary('continue a text, or draw pictures')
    .description('Continues a text with a language model, token by token as they come; or draws pictures, step by step.')
    .argument('<model>', 'a model folder, or the name of a model that ships with nextx: stories260K, garments')
    .argument('[prompt]', 'text to continue; - reads it from stdin, as does leaving it out with stdin not a terminal')
  const text = optionsAddedBy(command, addTextOptions).filter((name) => !shared.includes(name))
  command
    .addOption(new Option('--json', 'print one JSON object at the end').conflicts('echo'))
    .option('--stats', 'print speed, seed, and log-probability or passes of the network to stderr')
    .option('--threads <count>', 'threads of one operation (default: the physical cores)', threadCount)
  const pictures = optionsAddedBy(command, addPictureOptions)
  command.addHelpText('after', examples).action(async (model: string, prompt: string | undefined, flags: GenerateFlags) => {
    if (flags.topLogprobs !== undefined && flags.json !== true) command.error("error: option '--top-logprobs' needs '--json'")
    if (flags.preview === true && flags.json === true)
      command.error("error: option '--preview' cannot be used with option '--json'")
    const problem = missingBeside(flags) ?? tooFewFor(flags)
    if (problem !== undefined) command.error(problem)
    const { generateAction } = await import('./actions/generate.ts')
    await generateAction(model, prompt, flags, { given: givenOptions(command), own: { text, pictures } })
  })
}

function addTextOptions(command: Command): void {
  command.option('-n, --max-tokens <count>', 'most tokens to generate (default: as many as the context holds)', wholeNumber(1))
  addSampling(command)
  addContext(command)
  command.option(
    '--stop <text>',
    "end before this text; may be given several times ($'\\n' is a line break in most shells)",
    collectText,
  )
  addGrammarOptions(command)
  command
    .option('--echo', 'print the prompt before what continues it')
    .option('--top-logprobs <count>', 'with --json: also the likeliest tokens of every step', wholeNumber(1))
}

export function addSampling(command: Command): void {
  const noRepeat = new Option('--no-repeat-ngram <size>', 'no run of this many tokens comes twice').argParser(wholeNumber(1))
  // The option's name only looks like a negation.
  noRepeat.negate = false
  command
    .option(
      '-t, --temperature <number>',
      'flattens (above 1) or sharpens the distribution; 0 takes the likeliest token (default: 1)',
      notNegative,
    )
    .option('--top-k <count>', 'draw from this many of the likeliest tokens', wholeNumber(1))
    .option('--top-p <mass>', 'draw from the likeliest tokens that together have this probability', probability)
    .option('--min-p <ratio>', 'draw from tokens at least this times as likely as the likeliest', probability)
    .option('--typical-p <mass>', 'draw from the most typical tokens that together have this probability', positiveProbability)
    .option('--repetition-penalty <number>', 'above 1: tokens of the prompt and the text become less likely', positive)
    .option('--frequency-penalty <number>', 'taken off a logit for every time its token was generated', anyNumber)
    .option('--presence-penalty <number>', 'taken off a logit once its token was generated', anyNumber)
    .addOption(noRepeat)
    .option('--logit-bias <id:value>', 'added to the logit of a token (-inf excludes it); may be given several times', collectBias)
    .option('--seed <number>', 'of the random choices (default: drawn anew, and printed by --stats)', seed)
}

const examples = `
Examples:
  nextx generate stories260K "Once upon a time"
  nextx generate stories260K "Tom and his dog" --temperature 0.8 --top-p 0.9 --seed 7 --stats
  nextx generate my-model - --max-tokens 100 < prompt.txt > continuation.txt
  nextx generate stories260K "The cat" --temperature 0 --max-tokens 5 --json --top-logprobs 3
  nextx generate my-model "The city and its country, as JSON:" --json-schema city.json
  nextx generate garments --class dress --n 16 --guidance 1.5 --seed 1 --out dresses.png --scale 4
  nextx generate garments --image coat.png --keep 0,0,14,28 --class coat --n 8 --out coats.png`

function collectBias(text: string, before: ReadonlyMap<number, number> = new Map()): Map<number, number> {
  const [, id, value] = /^(\d+):(.+)$/.exec(text) ?? []
  if (id === undefined || value === undefined) throw new InvalidArgumentError('Expected id:value, such as 13:-5.')
  const token = wholeNumber(0)(id)
  if (before.has(token)) throw new InvalidArgumentError(`Token ${token} has a bias already.`)
  return new Map(before).set(token, /^-inf(inity)?$/i.test(value) ? Number.NEGATIVE_INFINITY : anyNumber(value))
}
