import { z } from 'zod';
import { defaultProtocol } from '../contract/protocol.ts';
import { adapterKinds, type MetricName } from '../contract/report.ts';

/**
 * The one definition of the config: the loader validates with it, its types are inferred from it,
 * and the JSON Schema that editors use is generated from it.
 *
 * Nothing here has a zod default: a default is filled in where it is used (`resolveProtocol`,
 * `loadDataset`, ...), so that "not given" stays visible. `default` in the metadata is for hovers.
 */

/** Adds hover texts. `text` is Markdown. */
function key<T extends z.ZodType>(schema: T, text: string, defaultValue?: unknown): T {
  const shown = defaultValue === undefined ? '' : ` Default: \`${JSON.stringify(defaultValue)}\`.`;
  return schema.meta({
    description: text.replaceAll('`', ''),
    markdownDescription: text + shown,
    ...(defaultValue === undefined ? {} : { default: defaultValue }),
  }) as T;
}

const filePath = z.string().min(1);
const name = z.string().min(1);
const seed = key(z.int().min(0), 'Seed of everything random in it.', 0);
const positiveInteger = z.int().min(1);
const share = z.number().gt(0).max(1);

const namedBy = <T extends z.ZodType>(schema: T) => z.record(name, schema);

// Datasets ------------------------------------------------------------------------------------

const splits = key(
  z.record(z.string().regex(/^[^/]+$/, 'a name without "/"'), share),
  'Named parts and their shares of each class (stratified, seeded). They sum to at most 1. A part is used as `"<dataset>/<part>"`.',
);
const split = { splits: splits.optional(), seed: seed.optional() };

const columns = {
  label: key(name, 'Column with the label.', 'label').optional(),
  id: key(name, 'Column with the id of the item.', 'id').optional(),
  slices: key(
    z.array(name),
    'Columns by which figures are given. Default: all others with at most 50 values.',
  ).optional(),
};

const imagesDataset = z
  .strictObject({
    images: key(filePath, 'Folder with one folder of images for each class.'),
    ...split,
  })
  .meta({ title: 'Class folders' });

const idxDataset = z
  .strictObject({
    idx: key(
      z.strictObject({
        images: key(filePath, 'IDX file of the images (`idx3-ubyte`), unpacked.'),
        labels: key(filePath, 'IDX file of the labels (`idx1-ubyte`), unpacked.'),
      }),
      'Images and labels in the IDX format (MNIST).',
    ),
    ...split,
  })
  .meta({ title: 'IDX files' });

const itemsDataset = z
  .strictObject({
    items: key(
      filePath,
      'Table with a header (CSV, TSV, JSON Lines or Parquet), one row an item. `id` is optional; without a `label` column only what needs no labels is measured; every other column is a slice. No content: for vector tables.',
    ),
    ...columns,
    ...split,
  })
  .meta({ title: 'Items without content' });

const manifestDataset = z
  .strictObject({
    manifest: key(filePath, 'Table with one row for each image (CSV, TSV, JSON Lines or Parquet).'),
    path: key(name, 'Column with the path of the image, relative to the manifest.', 'path').optional(),
    ...columns,
    split: key(name, 'Column with the name of the part, instead of `splits`.').optional(),
    ...split,
  })
  .meta({ title: 'Manifest of images' });

const textDataset = z
  .strictObject({
    text: key(filePath, 'Table with one row for each text (JSON Lines, CSV, TSV or Parquet).'),
    field: key(name, 'Column with the text.', 'text').optional(),
    ...columns,
    split: key(name, 'Column with the name of the part, instead of `splits`.').optional(),
    ...split,
  })
  .meta({ title: 'Texts' });

const dataset = z.union([imagesDataset, idxDataset, itemsDataset, manifestDataset, textDataset]);

// Checkpoints ---------------------------------------------------------------------------------

const headKind = z.enum(['linear', 'nsoftmax', 'cosface', 'arcface']);
const headForm = {
  kind: key(
    headKind,
    'How the classifier makes logits: `linear` (rows and bias), `nsoftmax` (cosine / temperature), `cosface` and `arcface` (with a margin).',
  ).optional(),
  temperature: key(z.number().gt(0), 'Logits are divided by it. Give this or `scale`.').optional(),
  scale: key(
    z.number().gt(0),
    'Logits are multiplied by it: 1 / temperature. Give this or `temperature`. Default: 20 for `nsoftmax`, 30 for `cosface` and `arcface`.',
  ).optional(),
  margin: key(
    z.number().min(0),
    'Margin of `cosface` (a cosine) and `arcface` (radians). Default: 0.3 and 0.5.',
  ).optional(),
};
const trainedHead = key(
  z.strictObject({
    weights: key(
      filePath,
      'File with the rows of the classifier, classes x dimension (safetensors, npy or npz): `head.safetensors` of a training run says everything else, too. Default: the classifier in the model file, if it is there.',
    ).optional(),
    array: key(
      name,
      'Array of the file that holds the rows. May be left out when there is only one candidate.',
    ).optional(),
    classes: key(z.array(name).min(1), 'Class name of each row.').optional(),
    ...headForm,
    normalised: key(
      z.boolean(),
      'Whether a `linear` classifier saw vectors of unit length. Default: whether the vectors of the model have it.',
    ).optional(),
  }),
  'The classifier that the model was trained with.',
);

const preprocess = z.strictObject({
  size: key(
    z.tuple([positiveInteger, positiveInteger]),
    'Height and width in pixels. Taken from the model when it declares them.',
  ).optional(),
  channels: key(
    z.union([z.literal(1), z.literal(3)]),
    '1: grey (ITU-R 601 luma), 3: RGB. Taken from the model when it declares them.',
  ).optional(),
  mean: key(
    z.array(z.number()).min(1).max(3),
    'Subtracted from pixels in 0 ... 1: one number, or one a channel.',
    [0],
  ).optional(),
  std: key(
    z.array(z.number().gt(0)).min(1).max(3),
    'Divides afterwards: one number, or one a channel.',
    [1],
  ).optional(),
  resize: key(
    z.enum(['crop', 'fill']),
    '`crop`: shortest side to the size, then the centre; `fill`: stretched. Bilinear, smoothed when shrinking.',
    'crop',
  ).optional(),
});

const modelCheckpoint = z
  .strictObject({
    model: key(filePath, 'Model file: ONNX, or the `model.json` of TensorFlow.js.'),
    output: key(
      name,
      'Name of the output that holds the embedding. May be left out when there is only one candidate.',
    ).optional(),
    preprocess: key(
      z.union([preprocess, filePath]),
      'How an image becomes the input of the model: the values, or a `preprocessor_config.json` of Hugging Face. Default: that file beside the model, where there is one.',
    ).optional(),
    tokenizer: key(
      filePath,
      'The `tokenizer.json` of a text model. Default: the one beside the model or in the folder above it.',
    ).optional(),
    maxTokens: key(
      positiveInteger,
      'Texts are cut after so many tokens. Default: what the tokenizer says, or 512.',
    ).optional(),
    pooling: key(
      z.enum(['mean', 'cls']),
      'How the vectors of tokens become one: their mean over the attention mask, or the first. Default: what `1_Pooling/config.json` says, or `mean`.',
    ).optional(),
    head: trainedHead.optional(),
  })
  .meta({ title: 'Model' });

const oneOrMoreFiles = z.union([filePath, z.array(filePath).min(1)]);
const tableCheckpoint = z
  .strictObject({
    vectors: key(
      oneOrMoreFiles,
      'Vectors that the model produced, one row an item (npy, npz, safetensors, parquet, csv, tsv or jsonl): one file or several.',
    ),
    array: key(
      name,
      'Array of an npz or safetensors file, or column of a table, that holds the vectors. May be left out when there is only one candidate.',
    ).optional(),
    labels: key(
      oneOrMoreFiles,
      'For each file of vectors, the table whose row i belongs to vector i. May be left out when the file of vectors has the columns itself.',
    ).optional(),
    id: key(name, 'Column with the id of the item.', 'id').optional(),
    label: key(name, 'Column with the label.', 'label').optional(),
    head: trainedHead.optional(),
  })
  .meta({ title: 'Embedding table' });

const checkpoint = z.union([modelCheckpoint, tableCheckpoint]);

// Pairs ---------------------------------------------------------------------------------------

const queries = key(name, 'Query set: `"dataset"` or `"dataset/part"`.');
const pairQueries = key(
  name,
  'Query set: `"dataset"` or `"dataset/part"`. Left out: the items of the gallery are the queries, each without itself.',
).optional();
const gallery = key(name, 'Gallery set: `"dataset"` or `"dataset/part"`.');

const dimensionRule = key(
  z.enum(['slice', 'pad', 'project']),
  'How vectors of different length are compared: the first components of a longer new one, zeros behind a shorter new one, or a fitted adapter.',
).optional();
const adapter = key(
  z.enum(adapterKinds),
  'The map of `project`, fitted on items that are not judged with it: semi-orthogonal Procrustes, ridge linear, or a small residual network.',
  defaultProtocol.adapter,
).optional();

const twoModels = z
  .strictObject({
    old: key(name, 'Checkpoint that filled the gallery.'),
    new: key(name, 'Checkpoint that would embed the queries.'),
    queries: pairQueries,
    gallery,
    paragon: key(name, 'Checkpoint like the new one, trained without any compatibility loss.').optional(),
    dimensionRule,
    adapter,
    adapterFile: key(
      filePath,
      'An adapter that `backcompat adapt` has saved (ONNX), through which new vectors meet old ones; `dimensionRule` is then `project`.',
    ).optional(),
  })
  .meta({ title: 'Old and new' });

const versionsPair = z
  .strictObject({
    versions: key(
      z.array(name).min(2),
      'Checkpoints in the order of their release. The report holds the last against the first, and the queries of each on every older gallery.',
    ),
    queries: pairQueries,
    gallery,
    dimensionRule,
    adapter,
  })
  .meta({ title: 'Many versions' });

const pair = z.union([twoModels, versionsPair]);

// Audit ---------------------------------------------------------------------------------------

const metric = z
  .union([z.enum(['map', 'map@r', 'rPrecision']), z.string().regex(/^cmc@[1-9]\d*$/)])
  .transform((value) => value as MetricName);

const audit = z.strictObject({
  distance: key(
    z.enum(['cosine', 'euclidean', 'dot']),
    'Distance between vectors; `dot` is minus the inner product.',
    defaultProtocol.distance,
  ).optional(),
  epsilons: key(
    z.array(z.number().min(0)).min(1),
    'Tolerances of the inequalities, in units of the distance; the first gives the strict rate.',
    defaultProtocol.epsilons,
  ).optional(),
  ks: key(z.array(positiveInteger).min(1), 'The k of `cmc@k`.', defaultProtocol.ks).optional(),
  seed: seed.optional(),
  criterion: key(
    z.strictObject({
      metric: key(
        metric,
        'Metric that decides: `map`, `map@r`, `rPrecision` or `cmc@k`.',
        defaultProtocol.criterionMetric,
      ).optional(),
      margin: key(z.number().min(0), 'Loss of the metric that is still accepted.', defaultProtocol.margin).optional(),
    }),
    'What decides whether new queries may serve against the old gallery.',
  ).optional(),
  operatingFar: key(
    z.number().gt(0).lt(1),
    'False accept rate at which the service runs.',
    defaultProtocol.operatingFar,
  ).optional(),
  pairBudget: key(
    z.number().min(1),
    'Pairs (queries x gallery) a cell up to which everything is exact; beyond it queries are sampled.',
    defaultProtocol.pairBudget,
  ).optional(),
  referenceQueries: key(
    positiveInteger,
    'Queries in the sample on which the reference rows are computed.',
    defaultProtocol.referenceQueries,
  ).optional(),
  triplets: key(positiveInteger, 'Sampled triplets.', defaultProtocol.triplets).optional(),
  bootstrap: key(
    z.strictObject({
      unit: key(
        z.enum(['query', 'class']),
        'What is resampled: queries, or whole classes for a service whose classes change.',
        defaultProtocol.bootstrap.unit,
      ).optional(),
      resamples: key(z.int().min(100).max(100_000), 'Resamples.', defaultProtocol.bootstrap.resamples).optional(),
      confidence: key(
        z.number().gt(0.5).lt(1),
        'Share of cases in which an interval should hold the truth.',
        defaultProtocol.bootstrap.confidence,
      ).optional(),
    }),
    'How intervals are computed.',
  ).optional(),
});

// Training ------------------------------------------------------------------------------------

const optimizer = z.strictObject({
  name: key(z.enum(['adamw', 'sgd']), 'Optimiser.', 'adamw').optional(),
  learningRate: key(
    z.number().gt(0),
    'Largest learning rate. Default: `0.001` for `adamw`, `0.05` for `sgd`.',
  ).optional(),
  weightDecay: key(z.number().min(0), 'Weight decay.', 0.0001).optional(),
  momentum: key(z.number().min(0).lt(1), 'Momentum of `sgd`.', 0.9).optional(),
  nesterov: key(z.boolean(), 'Nesterov momentum of `sgd`.', false).optional(),
  schedule: key(z.enum(['cosine', 'step', 'constant']), 'Course of the learning rate.', 'cosine').optional(),
  warmup: key(z.number().min(0), 'Epochs over which the learning rate rises, also a part of one.', 0).optional(),
  clipNorm: key(z.number().gt(0), 'Gradients are scaled down together to this norm.').optional(),
  stepEpochs: key(
    positiveInteger,
    'Epochs after which schedule `step` divides the learning rate by ten, again and again. Default: a third of all.',
  ).optional(),
});

const augmentation = z.strictObject({
  crop: key(
    z.number().min(0).lt(1),
    'Images are shifted by up to this share of their side, edges repeated.',
  ).optional(),
  flip: key(z.boolean(), 'Whether half of the images are mirrored, left to right.').optional(),
  colour: key(z.number().min(0).max(1), 'Brightness, contrast and saturation vary by up to this share.').optional(),
});

const trainable = key(
  z.union([z.enum(['all', 'embedding']), z.array(name).min(1)]),
  'What is trained: everything, the embedding layer, or layers by pattern.',
  'all',
);

const training = z.strictObject({
  from: key(name, 'Start: a checkpoint, or `builtin:convnet`, `builtin:resnet18`.'),
  dimension: key(positiveInteger, 'Length of the embedding of a built-in network.').optional(),
  old: key(name, 'Checkpoint to stay compatible with.').optional(),
  preprocess: key(
    preprocess,
    'How images go into a built-in network. Default: as into the old model, where that takes images; else `size` and `channels` of the first image, brought to -1 ... 1.',
  ).optional(),
  data: key(name, 'Training items: `"dataset"` or `"dataset/part"`.'),
  classes: key(z.array(name).min(1), 'Only the items of these classes are trained on. Default: all.').optional(),
  evaluate: key(
    z.strictObject({ queries: pairQueries, gallery }),
    'What is measured after each epoch, and what the result is audited on.',
  ).optional(),
  method: key(
    z.enum(['independent', 'bct', 'l2', 'contrastive', 'mixbct', 'advbct-boundary']),
    'What makes the model compatible. Default: `bct` where `old` is named, else `independent`.',
  ).optional(),
  lambda: key(
    z.union([z.number().min(0), z.array(z.number().min(0)).min(1)]),
    'Weight of the compatibility loss; a list is a sweep.',
    1,
  ).optional(),
  oldHead: key(
    z.enum(['checkpoint', 'synthesised', 'distilled']),
    'Old head of `bct`: its own (`head` of the old checkpoint, or the classifier in its file), one synthesised from the means of its vectors of each class, or either as a teacher, which needs no labels.',
    'synthesised',
  ).optional(),
  dimensionRule: key(
    z.enum(['slice', 'pad']),
    'How new vectors of another length meet the old ones while training: by their first components (longer), or with zeros behind (shorter).',
  ).optional(),
  contrastive: key(
    z.strictObject({
      temperature: key(z.number().gt(0), 'Cosines are divided by it.', 0.01).optional(),
      hardest: key(
        positiveInteger,
        'Old and new vectors of other classes that count, each: the nearest.',
        10,
      ).optional(),
    }),
    'Settings of the method `contrastive`.',
  ).optional(),
  mixbct: key(
    z.strictObject({
      share: key(
        z.number().gt(0).lt(1),
        'Probability with which the old vector of a credible item takes the place of the new one.',
        0.3,
      ).optional(),
    }),
    'Settings of the method `mixbct`.',
  ).optional(),
  head: key(z.strictObject(headForm), 'The new head.', { kind: 'nsoftmax', temperature: 0.05 }).optional(),
  epochs: key(positiveInteger, 'Passes over the training items.', 10).optional(),
  batchSize: key(positiveInteger, 'Items a step.', 64).optional(),
  optimizer: key(optimizer, 'How weights are updated.').optional(),
  trainable: trainable.optional(),
  augmentation: key(augmentation, 'How training images are varied.').optional(),
  balanced: key(
    z.boolean(),
    'Whether every batch holds four items of each of its classes. Default: only for `contrastive`.',
  ).optional(),
  stopEarly: key(
    z.strictObject({
      tax: key(z.number(), 'Largest compatibility tax that is accepted; needs a paragon.').optional(),
      patience: key(positiveInteger, 'Epochs without a better result after which training stops.').optional(),
    }),
    'Training stops once the criterion is met with no larger tax, or when nothing gets better.',
  ).optional(),
  engine: key(
    z.enum(['onnx', 'tfjs']),
    'What trains. Default: what the start is; a built-in network is trained as ONNX.',
  ).optional(),
  paragon: key(
    z.union([z.boolean(), name]),
    'The new model without compatibility, which the tax is measured against: `true` trains it too, a name is a checkpoint or another training block.',
    false,
  ).optional(),
  seed: seed.optional(),
});

const sessionMethodName = z.enum(['fine-tuning', 'bct', 'cvs', 'lwf', 'ewc', 'expansion', 'joint']);
const sessionMethod = z.strictObject({
  name: key(sessionMethodName, 'Method.'),
  label: key(name, 'Name in the report. Default: the name of the method.').optional(),
  alpha: key(z.number().min(0), 'Weight of the model coherence (`cvs`, `expansion`); 0 leaves it out.', 10).optional(),
  beta: key(z.number().min(0), 'Weight of the data coherence (`cvs`, `expansion`); 0 leaves it out.', 1).optional(),
  form: key(z.enum(['paper', 'code']), 'Form of the losses of `cvs` and `expansion`.', 'paper').optional(),
  ewc: key(
    z.number().min(0),
    'Strength of elastic weight consolidation, beside the method. Default: 100 for `ewc`.',
  ).optional(),
  lwf: key(
    z.number().min(0),
    'Weight of learning without forgetting, beside the method. Default: 1 for `lwf`.',
  ).optional(),
  replay: key(
    z.enum(['images', 'features', 'none']),
    'What of earlier sessions is trained with: kept items, their stored vectors alone (`cvs`), or nothing. Default: `images` for `bct`, `cvs` and `expansion`, else `none`.',
  ).optional(),
  buffer: key(z.int().min(0), "Items (or vectors) kept for replay. Default: the block's.").optional(),
  growth: key(
    positiveInteger,
    'Components that the embedding gains at each session (`expansion`, built-in networks). Default: a quarter of `dimension`.',
  ).optional(),
});

const sessions = z.strictObject({
  from: key(name, 'Start: a checkpoint, or `builtin:convnet`, `builtin:resnet18`.'),
  dimension: key(positiveInteger, 'Length of the embedding of a built-in network.').optional(),
  preprocess: key(
    preprocess,
    'How images go into a built-in network. Default: `size` and `channels` of the first image, brought to -1 ... 1.',
  ).optional(),
  data: key(name, 'Items of the sessions: `"dataset"` or `"dataset/part"`.'),
  queries,
  plan: key(
    z.strictObject({
      setup: key(
        z.enum(['disjoint', 'blurry', 'general', 'column']),
        'How items come in: classes by blocks (`disjoint`, `blurry`, `general`), or by the values of a column.',
      ),
      percent: key(z.number().min(0).lt(100), 'The M of blurry-M and general-M.').optional(),
      heldBack: key(
        z.number().min(0).lt(1),
        'Share of each class kept for later sessions (`general`).',
        0.2,
      ).optional(),
      column: key(
        name,
        'Column of the data whose values, in their order, are the sessions (`column`): batches, dates.',
      ).optional(),
      sessions: key(positiveInteger, 'Number of sessions. Default for `column`: one for each value.').optional(),
      seed: seed.optional(),
    }),
    'What each session brings.',
  ),
  methods: key(z.array(z.union([sessionMethodName, sessionMethod])).min(1), 'Methods to compare.'),
  buffer: key(z.int().min(0), 'Items kept for replay.', 200).optional(),
  head: key(z.strictObject(headForm), 'The head, which grows with the classes.', {
    kind: 'nsoftmax',
    temperature: 0.05,
  }).optional(),
  epochs: key(positiveInteger, 'Passes over the items of a session.', 10).optional(),
  batchSize: key(positiveInteger, 'Items a step.', 64).optional(),
  optimizer: key(optimizer, 'How weights are updated; its schedule begins anew with each session.').optional(),
  laterRateFactor: key(
    z.number().gt(0),
    'What the learning rate is multiplied by in sessions after the first, where a model goes on from the one before. Default: a third.',
  ).optional(),
  stopEarly: key(
    z.strictObject({
      patience: key(positiveInteger, 'Epochs without a better result after which a session stops.'),
    }),
    'A tenth of each session, by class, is set aside (neither trained on nor in its gallery), and tells after each epoch whether the model still gets better. Default: every epoch counts and nothing is set aside.',
  ).optional(),
  seed: seed.optional(),
});

// Gates ---------------------------------------------------------------------------------------

const gateLimit = z.strictObject({
  state: key(
    z.enum([
      'compatible',
      'within-margin',
      'undecided',
      'incompatible',
      'kept',
      'restorable',
      'broken',
      'as-noise',
      'violated',
    ]),
    'That state or a better one.',
  ).optional(),
  min: key(z.number(), 'Smallest accepted value.').optional(),
  max: key(z.number(), 'Largest accepted value.').optional(),
  bound: key(
    z.enum(['value', 'lower', 'upper']),
    'What is held against the limit: the value, or an end of its interval.',
    'value',
  ).optional(),
  minQueries: key(positiveInteger, 'With fewer queries the figure counts as unmeasured.').optional(),
  minChange: key(
    z.number(),
    'Least change against the figure of the `baseline` report: -0.01 accepts a loss of .01.',
  ).optional(),
  maxChange: key(z.number(), 'Largest change against the figure of the `baseline` report.').optional(),
});

const gate = z.union([z.literal('off'), z.tuple([z.enum(['error', 'warn', 'off']), gateLimit])]);

// The whole -----------------------------------------------------------------------------------

export const configSchema = z
  .strictObject({
    $schema: key(z.string(), 'JSON Schema of this file, for editors.').optional(),
    datasets: key(
      z.record(z.string().regex(/^[^/]+$/, 'a name without "/"'), dataset),
      'Labelled items, by name.',
    ).optional(),
    checkpoints: key(namedBy(checkpoint), 'Models and embedding tables, by name.').optional(),
    pairs: key(namedBy(pair), 'What is audited, by name.').optional(),
    audit: key(audit, 'How pairs are measured.').optional(),
    training: key(namedBy(training), 'Models to train, by name. Pairs may name the result.').optional(),
    sessions: key(namedBy(sessions), 'Runs of continual learning, by name.').optional(),
    gates: key(
      namedBy(gate),
      'Limits on figures of the report: a dotted path to `["error" | "warn" | "off", limit]`; `*` stands for each.',
    ).optional(),
    baseline: key(
      z.union([filePath, z.record(name, filePath)]),
      'A committed report (or one for each pair, by its name) that gates with `minChange` or `maxChange` are compared with.',
    ).optional(),
    undecided: key(
      z.enum(['report', 'fail', 'pass']),
      'What an undecided gate does to the exit status: 4, 3 or 0.',
      'report',
    ).optional(),
  })
  .meta({ title: 'Backcompat config' });

export type Config = z.output<typeof configSchema>;
export type DatasetDefinition = z.output<typeof dataset>;
export type CheckpointDefinition = z.output<typeof checkpoint>;
export type ModelCheckpointDefinition = z.output<typeof modelCheckpoint>;
export type TableCheckpointDefinition = z.output<typeof tableCheckpoint>;
export type PreprocessDefinition = z.output<typeof preprocess>;
export type PairDefinition = z.output<typeof pair>;
export type AuditDefinition = z.output<typeof audit>;
export type TrainingDefinition = z.output<typeof training>;
export type SessionsDefinition = z.output<typeof sessions>;
export type TrainedHeadDefinition = z.output<typeof trainedHead>;
export type GateDefinition = z.output<typeof gate>;

/**
 * A model's definition that was written by a run, checked like one of a config.
 * @returns null for anything else
 */
export function parseModelCheckpoint(value: unknown): ModelCheckpointDefinition | null {
  return modelCheckpoint.safeParse(value).data ?? null;
}

/** JSON Schema (draft 7) of the config, with hover texts; shipped with the editor, printed by `backcompat schema`. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' }) as Record<string, unknown>;
}
