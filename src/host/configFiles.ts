/** Files that a config names, with their places in its text. Pure. */
import { type JSONPath, type Node, parseTree, visit } from 'jsonc-parser';

export interface NamedFile {
  /** As the config names it: relative to its folder. */
  file: string;
  path: JSONPath;
  /** UTF-16 range of the text, quotes included. */
  offset: number;
  length: number;
}

/** Where the schema has paths of files and folders that must be there; `*` stands for one key or index. */
const filePlaces = [
  'datasets.*.images',
  'datasets.*.manifest',
  'datasets.*.idx.images',
  'datasets.*.idx.labels',
  'datasets.*.text',
  'datasets.*.items',
  'checkpoints.*.model',
  'checkpoints.*.vectors',
  'checkpoints.*.vectors.*',
  'checkpoints.*.labels',
  'checkpoints.*.labels.*',
  'checkpoints.*.head.weights',
  'pairs.*.adapterFile',
  'baseline',
].map((place) => place.split('.'));

/** Every file or folder that a config names; none when its text is damaged. */
export function namedFiles(text: string): NamedFile[] {
  const files: NamedFile[] = [];
  visit(
    text,
    {
      onLiteralValue: (value, offset, length, _line, _character, pathSupplier) => {
        if (typeof value !== 'string' || value === '') return;
        const path = pathSupplier();
        if (filePlaces.some((place) => matches(place, path))) files.push({ file: value, path, offset, length });
      },
    },
    { allowTrailingComma: true },
  );
  return files;
}

function matches(place: readonly string[], path: JSONPath): boolean {
  return place.length === path.length && place.every((part, index) => part === '*' || part === path[index]);
}

/** A pair or a training block, at its key. */
export interface NamedBlock {
  kind: 'pair' | 'training';
  name: string;
  offset: number;
}

/** The pairs and training blocks of a config, in the order of its text. */
export function namedBlocks(text: string): NamedBlock[] {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const blocks = (key: string, kind: NamedBlock['kind']): NamedBlock[] =>
    propertiesOf(sectionOf(root, key)).flatMap((property) => {
      const [name] = property.children ?? [];
      return name ? [{ kind, name: String(name.value), offset: name.offset }] : [];
    });
  return [...blocks('pairs', 'pair'), ...blocks('training', 'training')].sort((a, b) => a.offset - b.offset);
}

function propertiesOf(node: Node | undefined): readonly Node[] {
  return node?.type === 'object' ? (node.children ?? []) : [];
}

function sectionOf(node: Node | undefined, key: string): Node | undefined {
  return propertiesOf(node).find(({ children }) => children?.[0]?.value === key)?.children?.[1];
}
