import { type CategoricalHeadOptions, categoricalHead, tiedHead } from '../../src/heads/index.ts'
import { Embedding, normal } from '../../src/nn/index.ts'
import { type HeadSubject, printSubjects, runHeadContract } from './head-contract.ts'
import {
  affineSubject,
  categoricalSubject,
  diffusionSubject,
  flowSubject,
  mixtureSubject,
  multiCategoricalSubject,
} from './head-subjects.ts'

/** A head and the module of its weights are the same, unless it is tied. */
function separate(width: number, vocabularySize: number, options: CategoricalHeadOptions = {}) {
  const head = categoricalHead(width, vocabularySize, options)
  return { head, owner: head }
}

function tied(width: number, vocabularySize: number) {
  const embedding = new Embedding(vocabularySize, width)
  return { head: tiedHead(embedding), owner: embedding }
}

/** Weights and biases around the layers of a field of vectors of one number. */
const frame = (width: number, hidden: number) =>
  2 * hidden + (256 + 1) * hidden + (hidden + 1) * hidden + (width + 1) * hidden + (hidden + 1) * 2 * hidden + hidden + 1
const mlpLayer = (hidden: number) => 5 * (hidden + 1) * hidden
const transformerLayer = (hidden: number) => 18 * hidden ** 2 + 15 * hidden

const mixtures = { gaussian: 'gaussian', logistic: 'logistic', discrete: 'discretised-logistic' } as const

const subjects: readonly HeadSubject[] = [
  categoricalSubject(11, { name: 'categoricalHead', width: 6 }, () => separate(6, 11)),
  categoricalSubject(40, { name: 'categoricalHead, own initializer', width: 3 }, () => separate(3, 40, { weight: normal(1) })),
  categoricalSubject(11, { name: 'categoricalHead, capped', width: 6 }, () => separate(6, 11, { weight: normal(2), softCap: 3 })),
  categoricalSubject(
    11,
    { name: 'tiedHead', width: 6, skip: { 'has parameters of its own': 'it reads with the weights of the embedding' } },
    () => tied(6, 11),
  ),
  multiCategoricalSubject([3, 4, 5], { name: 'multiCategoricalHead', width: 6 }),
  multiCategoricalSubject([7], { name: 'multiCategoricalHead, one id', width: 4 }),
  mixtureSubject(1, { components: 3, kind: mixtures.gaussian }, { name: 'mixtureHead, gaussian', width: 5 }),
  mixtureSubject(2, { components: 3, kind: mixtures.gaussian }, { name: 'mixtureHead, gaussian, 2-D', width: 5 }),
  mixtureSubject(1, { components: 2, kind: mixtures.logistic }, { name: 'mixtureHead, logistic', width: 5 }),
  mixtureSubject(2, { components: 1, kind: mixtures.logistic }, { name: 'mixtureHead, logistic, 2-D', width: 5 }),
  mixtureSubject(1, { components: 3, kind: mixtures.discrete, levels: 256 }, { name: 'mixtureHead, 256 levels', width: 5 }),
  mixtureSubject(2, { components: 3, kind: mixtures.discrete, levels: 8 }, { name: 'mixtureHead, 8 levels, 2-D', width: 5 }),
  affineSubject(1, { scale: 'exp' }, { name: 'affineHead, exp', width: 5 }),
  affineSubject(2, { scale: 'softplus' }, { name: 'affineHead, softplus, 2-D', width: 5 }),
  diffusionSubject({ hidden: 32, layers: 2 }, { name: 'diffusionHead', width: 4, parameters: frame(4, 32) + 2 * mlpLayer(32) }),
  diffusionSubject(
    { hidden: 32, layers: 2, predicts: 'v' },
    { name: 'diffusionHead, v', width: 4, parameters: frame(4, 32) + 2 * mlpLayer(32) },
  ),
  flowSubject({ scope: 'slot', hidden: 32, layers: 2 }, 1, {
    name: 'flowHead, slot',
    width: 4,
    parameters: frame(4, 32) + 2 * mlpLayer(32),
  }),
  flowSubject({ scope: 'group', hidden: 16, layers: 2, heads: 2 }, 2, {
    name: 'flowHead, group of two',
    width: 4,
    parameters: frame(4, 16) + 2 * transformerLayer(16),
  }),
]

printSubjects(subjects)
for (const subject of subjects) runHeadContract(subject)
