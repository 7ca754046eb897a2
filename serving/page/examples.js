/** Papers to try the page with. All three are invented. */

export const EXAMPLES = [
  {
    about: 'Pictures',
    title: 'Finding small objects in aerial images with a sparse attention network',
    abstract:
      'Objects in aerial images are small, crowded and turned in every direction, which detectors trained on ' +
      'photographs handle badly. We propose a convolutional neural network whose attention looks only at the few ' +
      'regions that an inexpensive segmentation of the image holds to be likely. On two public datasets of satellite ' +
      'images the detector improves mean average precision by 2.1 points over strong baselines, and needs half the ' +
      'computation.',
  },
  {
    about: 'Language',
    title: 'Do large language models know when a question has no answer?',
    abstract:
      'Large language models answer fluently even where a question rests on a false assumption. We collect 4,000 such ' +
      'questions, written by native speakers in six languages, and ask models with and without retrieval. Prompting ' +
      'for a reason first helps more than fine-tuning. Errors are most frequent in translation and in questions ' +
      'about rare entities; human evaluation agrees with our automatic metric.',
  },
  {
    about: 'Stars',
    title: 'Dust and young stars in the outer disk of a nearby spiral galaxy',
    abstract:
      'We present infrared imaging of the outer disk of a nearby spiral galaxy. Star formation extends to twice the ' +
      'optical radius, and follows the column density of neutral gas. From the spectral energy distributions of 212 ' +
      'star clusters we find ages below 30 Myr and a metallicity a third of solar. Dust masses fall more steeply with ' +
      'radius than the gas does, as models of galaxy evolution with inflow of gas predict.',
  },
];
