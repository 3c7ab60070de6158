import { BackcompatError } from '../../contract/errors.ts';
import type { ItemSet } from '../../data/itemSet.ts';
import { wrongContent } from '../../models/embedItems.ts';
import type { ModelCheckpoint } from '../../models/modelCheckpoint.ts';
import type { Augmentation, BatchInputs } from './batchSource.ts';

/**
 * Items as a checkpoint takes them: training sees what the audit sees.
 * @throws BackcompatError `bad-data` for items of another kind; `bad-config` for texts that are to be varied like images
 */
export function checkpointInputs(
  checkpoint: Pick<ModelCheckpoint, 'encoder' | 'name'>,
  items: ItemSet,
  augmentation: Augmentation | null,
): BatchInputs {
  const { encoder } = checkpoint;
  const { images, texts } = items;
  if (encoder.takes === 'images' && images !== null) {
    const { input, preprocessing } = encoder;
    return { kind: 'images', input, images, preprocessing, augmentation };
  }
  if (encoder.takes === 'texts' && texts !== undefined) {
    if (augmentation !== null) {
      throw new BackcompatError('bad-config', `${items.name} holds texts, and "augmentation" varies images.`, {
        place: { field: 'augmentation' },
        remedy: 'Leave "augmentation" out.',
      });
    }
    return { kind: 'texts', texts, tokenise: encoder.tokenise, feeds: encoder.feeds };
  }
  throw wrongContent(checkpoint, items);
}
