/** Word lists of the sentence grammar, by slot. An entry may hold slots itself. No entry holds a digit. */

function list(text: string): readonly string[] {
  return text.trim().split(/\s*,\s*/);
}

/** What each slot of a pattern may become. Nouns are singular and without article unless the name says otherwise. */
export const WORDS: Readonly<Record<string, readonly string[]>> = {
  woman: list(
    `Agnes, Beatrice, Clara, Dorothy, Edith, Florence, Harriet, Isabel, Judith, Kate, Lydia, Margaret, Nora,
    Phoebe, Rosalind, Sarah, Theresa, Winifred, Charlotte, Susan, Matilda, Cecily, Hester, Martha, Louisa, Amelia,
    Frances, Ruth, Esther, Bridget, Constance, Dinah`,
  ),
  man: list(
    `Albert, Barnaby, Cecil, Duncan, Edmund, Francis, Gilbert, Hugh, Isaac, Jasper, Lawrence, Matthew,
    Nicholas, Oliver, Percy, Ralph, Simon, Thomas, Walter, William, Arthur, Bernard, Clement, Daniel, Ernest, Godfrey,
    Humphrey, Julian, Martin, Roger, Stephen, Edgar`,
  ),
  surname: list(
    `Ashdown, Barlow, Croft, Dunmore, Ellery, Fairley, Garside, Hartwell, Ingram, Jessop, Kettering,
    Loxley, Marlow, Northcote, Oakes, Penrose, Redfern, Selwyn, Thorne, Underhill, Vickers, Wainwright, Yardley,
    Bellamy, Dawlish, Fenwick, Gresham, Holloway, Lambert, Merriman, Pemberton, Rowntree, Sheldon, Tremayne, Whitlock`,
  ),
  person: list(
    `Captain {surname}, Miss {surname}, Doctor {surname}, {woman}, {man}, the {trade}, old {man}, young {woman},
    our neighbour {man}, my cousin {woman}, the {trade}, {woman} {surname}, {man} {surname}, the old {trade}`,
  ),
  kin: list(
    `uncle, aunt, cousin, brother, sister, grandfather, grandmother, nephew, niece, father, mother, godfather`,
  ),
  trade: list(
    `baker, miller, blacksmith, carpenter, tailor, cooper, weaver, saddler, potter, mason, glazier, thatcher,
    shepherd, ploughman, gardener, fisherman, ferryman, sailor, pilot, harbourmaster, porter, coachman, postman, clerk,
    schoolmaster, librarian, printer, bookbinder, clockmaker, locksmith, tinker, chandler, grocer, butcher, brewer,
    innkeeper, cook, housekeeper, seamstress, dairymaid, beekeeper, forester, gamekeeper, wheelwright, ropemaker,
    surveyor, lawyer, doctor, apothecary, painter, fiddler, organist, watchman, lamplighter, cobbler, hatter, dyer`,
  ),
  crowd: list(
    `the children, the neighbours, the boys, the old men, the farmers, the women of the village, the visitors,
    the workmen, the sailors, the travellers, the servants, the young people, the townsfolk, the whole family`,
  ),
  village: list(
    `Alderby, Thornwick, Lower Marsden, Elmstead, Saltry, Brackenford, Hollin Bridge, Westerleigh, Kirkdale,
    Fernhurst, Pendrake, Ormsby, Stonecross, Wetherby Green, Ravensea, Larkhill, Oakhampton, Millbrook, Greyport,
    Sandholm, Applethwaite, Coldwater, Marbury, Tidewell, Whinfield, Northolt Bay, Cranmere, Foxley, Amberton, Dunwater`,
  ),
  place: list(
    `bridge, mill, market cross, churchyard, old well, toll gate, village green, ferry, stile, quarry, smithy,
    town hall, chapel, schoolhouse, inn, sawmill, lighthouse, crossroads, pump, post office, tannery, brickyard, orchard,
    sheepfold, boathouse, dairy, lime kiln, malt house, watch tower, weir`,
  ),
  land: list(
    `hill, meadow, valley, moor, wood, marsh, common, heath, ridge, field, glen, shore, pasture, slope, cliff,
    thicket, lane, riverbank, clearing, plain, upland, hollow`,
  ),
  room: list(
    `parlour, kitchen, attic, cellar, hall, pantry, study, nursery, scullery, gallery, dining room, loft, porch,
    drawing room, bedroom, workroom, library, stairwell, larder, conservatory`,
  ),
  furniture: list(
    `table, bench, chest, cupboard, stool, armchair, dresser, bookcase, bed, desk, settle, wardrobe, rug,
    mirror, sideboard, cradle, curtain, carpet, footstool, bureau`,
  ),
  vessel: list(
    `jug, basin, kettle, bowl, bucket, barrel, bottle, pitcher, saucepan, teapot, basket, tray, jar, churn,
    cauldron, mug, flask, dish, tub, ladle`,
  ),
  tool: list(
    `hammer, chisel, plane, saw, file, mallet, awl, auger, spade, rake, hoe, sickle, scythe, fork, pincers, wrench,
    anvil, lathe, vice, spokeshave, trowel, level, adze, whetstone, gimlet, crowbar, shears, spindle, shuttle, bellows`,
  ),
  part: list(
    `hinge, spring, wheel, axle, handle, latch, screw, spoke, lid, pulley, rod, buckle, blade, shaft, bracket, bolt,
    hoop, plank, rivet, cord, pedal, lever, frame, clasp, bearing, gear`,
  ),
  material: list(
    `oak, elm, ash, pine, walnut, iron, copper, brass, tin, lead, leather, canvas, slate, clay, marble, wax,
    horn, bone, willow, steel, wool, felt, cork, straw, silk, linen, pewter, granite, cedar, beech`,
  ),
  cloth: list(
    `coat, shawl, apron, bonnet, waistcoat, cloak, scarf, glove, gown, jacket, hat, stocking, boot, cap, collar,
    ribbon, handkerchief, skirt, mantle, sash, petticoat, muffler, blouse, belt`,
  ),
  colour: list(
    `red, blue, green, yellow, brown, grey, white, black, scarlet, purple, crimson, golden, silver, pale, russet,
    violet, ivory, dark, rosy, amber, tawny, azure, olive, copper-coloured`,
  ),
  size: list(
    `small, large, great, little, tall, narrow, broad, long, short, huge, tiny, deep, thick, thin, slender, heavy,
    light, high, low, round, square, enormous, modest, stout`,
  ),
  quality: list(
    `good, plain, fine, old, new, honest, clean, rough, handsome, simple, curious, useful, worn, cheap, costly,
    strong, shabby, excellent, sturdy, delicate, ordinary, splendid, crooked, smooth, faded, battered, polished, rusty,
    neat, clumsy, remarkable, pretty, broken, ancient, borrowed, forgotten, well-made, home-made`,
  ),
  mood: list(
    `cheerful, weary, anxious, content, proud, silent, hopeful, grave, merry, patient, puzzled, sleepy, angry,
    grateful, lonely, eager, shy, calm, sad, restless, doubtful, earnest, gloomy, startled, pleased, stubborn, thoughtful,
    uneasy, curious, bashful, delighted, indignant`,
  ),
  virtue: list(
    `patience, courage, honesty, kindness, industry, prudence, good humour, thrift, justice, mercy, charity,
    modesty, loyalty, wisdom, temperance, perseverance, candour, gratitude, diligence, fortitude, cheerfulness, fairness`,
  ),
  fault: list(
    `pride, idleness, envy, greed, haste, anger, vanity, folly, fear, cruelty, obstinacy, carelessness, ignorance,
    selfishness, suspicion, extravagance, jealousy, impatience, deceit, neglect`,
  ),
  manner: list(
    `slowly, quietly, gladly, carefully, quickly, gently, steadily, loudly, softly, bravely, eagerly, wearily,
    politely, firmly, kindly, boldly, patiently, gravely, warmly, silently, hastily, cheerfully, awkwardly, solemnly,
    briskly, sadly, clumsily, heartily, neatly, modestly`,
  ),
  day: list(`Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday`),
  month: list(
    `January, February, March, April, May, June, July, August, September, October, November, December`,
  ),
  season: list(`spring, summer, autumn, winter`),
  number: list(
    `two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, fifteen, twenty, thirty, forty, fifty`,
  ),
  ordinal: list(`first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth`),
  span: list(
    `{number} days, {number} weeks, {number} miles, {number} years, half an hour, a whole week, a long while,
    the whole afternoon, nearly a month, the better part of a year, a few minutes, more than a year`,
  ),
  hours: list(
    `an hour, two hours, half the morning, the whole day, the whole evening, most of the night, a few minutes,
    a quarter of an hour, three days, a week, nearly a fortnight, the whole afternoon`,
  ),
  When: list(
    `In the morning, Before dawn, After supper, At noon, Towards evening, That night, On {day}, Early in {month},
    Late in {month}, The next day, In the {season}, One {day} evening, All through {month}, A week later, By sunset,
    At daybreak, Not long after, In those days, At the end of {month}, Every {day}, Soon afterwards, Last {season},
    About the middle of {month}, Shortly before dinner, On the following {day}, Once, Long ago, From time to time`,
  ),
  when: list(
    `in the morning, before dawn, after supper, at noon, towards evening, last night, on {day}, early in {month},
    late in {month}, the next day, in the {season}, before breakfast, after church, at sunset, at daybreak,
    without delay, that same afternoon, a little later, at the end of {month}, every {day}, before the frost`,
  ),
  bird: list(
    `robin, blackbird, thrush, starling, sparrow, crow, rook, magpie, swallow, heron, gull, owl, wren, linnet,
    cuckoo, goose, duck, hen, pigeon, lark, finch, raven, hawk, curlew, woodpecker, kingfisher, swan, jackdaw`,
  ),
  animal: list(
    `dog, cat, horse, donkey, mule, cow, calf, goat, sheep, lamb, pig, fox, hare, rabbit, badger, hedgehog, mouse,
    squirrel, otter, weasel, stag, mole, pony, spaniel, terrier, kitten, foal, ox, ram, ferret`,
  ),
  beast: list(
    `dog, horse, donkey, mule, pony, old mare, goat, cow, terrier, spaniel, grey cat, tabby cat, sheepdog, ram,
    lame duck, young foal, white goose, tame jackdaw`,
  ),
  fish: list(
    `herring, mackerel, cod, trout, salmon, eel, pike, perch, plaice, sole, haddock, carp, sturgeon, whiting,
    turbot, bream, sprat, lobster, crab`,
  ),
  insect: list(
    `bee, wasp, moth, beetle, ant, spider, gnat, butterfly, cricket, grasshopper, snail, dragonfly`,
  ),
  flower: list(
    `rose, lily, daisy, violet, primrose, foxglove, poppy, tulip, marigold, bluebell, lavender bush, pansy, iris,
    hollyhock, snowdrop, honeysuckle, daffodil, carnation, sunflower, sweet pea, geranium, crocus, hyacinth, buttercup`,
  ),
  tree: list(
    `oak, elm, ash, beech, birch, willow, poplar, chestnut, pine, fir, yew, holly, hawthorn, apple tree, pear tree,
    cherry tree, walnut tree, maple, alder, larch, plum tree, cedar, lime tree, mulberry tree`,
  ),
  vegetables: list(
    `cabbages, turnips, carrots, onions, beans, peas, potatoes, leeks, lettuces, radishes, parsnips, cucumbers,
    pumpkins, beetroots, spinach, celery, artichokes, mushrooms, marrows, cauliflowers`,
  ),
  fruits: list(
    `apples, pears, plums, cherries, gooseberries, strawberries, raspberries, currants, quinces, figs, grapes,
    blackberries, walnuts, chestnuts, apricots, peaches, damsons, medlars, melons, lemons, oranges`,
  ),
  food: list(
    `bread, cheese, butter, bacon, ham, porridge, soup, mutton, roast beef, pudding, pie, cake, honey, eggs, stew,
    broth, jam, biscuits, sausages, pickles, toast, custard, gingerbread, oatmeal, pancakes, boiled beef`,
  ),
  drink: list(
    `tea, coffee, milk, cider, ale, wine, water, lemonade, cocoa, beer, buttermilk, punch, elder wine, barley water`,
  ),
  spice: list(
    `pepper, salt, cinnamon, ginger, nutmeg, mustard, sage, thyme, parsley, mint, vinegar, cloves, rosemary, sugar,
    saffron, caraway, bay leaves, horseradish`,
  ),
  goods: list(
    `wool, flour, timber, coal, salt, sugar, tea, candles, rope, nails, paper, cotton, hides, barley, oats, wheat,
    hay, oil, wine, soap, glass, bricks, tobacco, lace, pottery, hops, tar, seed corn, linen, ink`,
  ),
  weather: list(
    `rainy, windy, foggy, bright, cloudy, mild, frosty, stormy, dull, sultry, chilly, clear, damp, bitter, warm,
    dry, raw, misty, showery, close, blustery, still, sunny, overcast`,
  ),
  sky: list(
    `a thick mist, a cold rain, a light snow, a sharp frost, a heavy dew, a warm haze, a great storm, a grey cloud,
    a fine drizzle, a sudden shower, a pale sun, a bank of fog, a black squall, a hard gale, a soft breeze`,
  ),
  wind: list(`north, south, east, west, north-east, north-west, south-west, south-east`),
  ship: list(
    `schooner, brig, fishing boat, barge, ketch, steamer, cutter, lugger, ferry, merchantman, collier, lifeboat,
    pilot boat, yacht, sloop, frigate, whaler, rowing boat`,
  ),
  shipname: list(
    `Good Intent, Morning Star, Swallow, Prudence, Sea Holly, Three Brothers, Petrel, Fair Wind, Marigold,
    Endeavour, Northern Light, Kestrel, Hopewell, Margaret Ann, Constant, Speedwell, Blue Anchor, Fortune`,
  ),
  gear: list(
    `anchor, sail, mast, rudder, oar, net, rope, tiller, lantern, compass, hawser, pump, flag, capstan, keel, chain,
    deck, hatch, bowsprit, windlass`,
  ),
  road: list(
    `road, lane, footpath, highway, cart track, bridle path, street, avenue, drive, turnpike, causeway, pass`,
  ),
  carriage: list(
    `coach, cart, wagon, carriage, gig, sledge, mail coach, train, hay cart, dog cart, carrier's van, omnibus`,
  ),
  luggage: list(
    `trunk, bag, bundle, hamper, parcel, hat box, umbrella, blanket, walking stick, map, purse, travelling rug`,
  ),
  instrument: list(
    `violin, flute, piano, organ, drum, harp, trumpet, fiddle, guitar, cello, bugle, concertina, clarinet, lute,
    oboe, horn, viola, tambourine, bassoon, whistle`,
  ),
  tune: list(
    `waltz, hymn, march, ballad, jig, lullaby, minuet, anthem, sea song, carol, sonata, polka, reel, serenade,
    overture, round, psalm, hornpipe`,
  ),
  subject: list(
    `grammar, history, arithmetic, geography, drawing, spelling, Latin, geometry, music, botany, reading, writing,
    natural history, French, needlework, chemistry, poetry, astronomy`,
  ),
  topic: list(
    `the repair of the bridge, the price of corn, the new road, the state of the drains, the school fund,
    the care of the poor, the water supply, the street lamps, the harbour wall, the market tolls, the parish accounts,
    the common land, the railway, the old hospital, the reading room, the night watch, the winter stores,
    the election of a clerk, the fire engine, the footpath across the common, the hours of the ferry`,
  ),
  principle: list(
    `peace, liberty, justice, good order, public health, the education of the young, honest trade, agriculture,
    the rights of every citizen, the safety of our homes, the relief of the poor, our common welfare, free inquiry,
    the dignity of labour, the rule of law, prosperity, the public credit, our friendship with other nations`,
  ),
  body: list(
    `nation, country, people, government, assembly, council, parish, republic, commonwealth, congress, county, town`,
  ),
  book: list(
    `novel, atlas, dictionary, almanac, prayer book, book of verses, history, diary, cookery book, old magazine,
    volume of sermons, play, pamphlet, book of travels, book of fables, ledger, catalogue, grammar`,
  ),
  paper: list(
    `letter, note, bill, receipt, telegram, newspaper, parcel, deed, will, postcard, circular, certificate, petition,
    invitation, contract, list`,
  ),
  news: list(
    `good news, bad news, a kind answer, a long story, a request for money, an account of the wedding,
    a description of the house, some advice about the garden, an old joke, a recipe for bread, a pressed flower,
    an apology, a full report, the latest gossip, a lock of hair, a drawing of the church, an offer of work`,
  ),
  illness: list(
    `a cold, a fever, a cough, the measles, a headache, a sprained ankle, a toothache, rheumatism, a sore throat,
    a broken arm, weak eyes, the gout, a burnt hand, a bad chest, lumbago`,
  ),
  remedy: list(
    `warm milk, a bitter powder, fresh air, a hot bath, strong broth, honey and vinegar, plenty of rest,
    a mustard plaster, barley water, cod liver oil, a tight bandage, peppermint, a week in bed, long walks, quinine`,
  ),
  game: list(
    `chess, skittles, marbles, cards, hide and seek, cricket, bowls, leapfrog, draughts, dominoes, blind man's buff,
    quoits, hopscotch, charades, tag, backgammon, football, battledore`,
  ),
  feast: list(
    `harvest supper, wedding, christening, village fair, Christmas dinner, school feast, bonfire, regatta, ball,
    concert, flower show, May dance, picnic, fancy dress party, cattle show, boat race, anniversary`,
  ),
  sound: list(
    `the church bell, a distant horn, a dog barking, the rush of water, a creaking gate, the ticking of the clock,
    a burst of laughter, the rattle of wheels, the wind in the chimney, footsteps on the gravel, the cry of an owl,
    a knock at the door, somebody singing, the crack of a whip, the hum of bees, a faint whistle, the tap of a hammer`,
  ),
  smell: list(
    `fresh bread, wood smoke, wet leaves, new paint, lavender, tar, cut grass, old books, the sea, roasting coffee,
    beeswax, damp earth, burning peat, orange peel, warm straw, leather, pine needles, hot iron`,
  ),
  sight: list(
    `a row of white cottages, the smoke of a steamer, a flock of geese, an empty cart, a broken fence, a ruined tower,
    a line of poplars, a boy with a kite, a procession of carts, a light in the window, a field of barley,
    a man on a grey horse, a heap of stones, the roofs of the town, a narrow gate, the sails of a windmill,
    a family of ducks, a washing line, a woman with a basket, a stone cross, two men with a ladder`,
  ),
  thought: list(
    `there was no hurry, the worst was over, nobody would notice, something had been forgotten,
    it would rain before night, the money would not last, the road must be near, it was time to go home,
    the old ways were best, everything would come right, the answer was simple, it was too late to turn back,
    a promise must be kept, the house was empty, somebody was listening, it might be done better,
    the bread would burn, no harm had been done, the boat had sailed, the clock was wrong, the winter would be long`,
  ),
  saying: list(
    `a little at a time is soon a great deal, a good neighbour is worth a long road, the kettle never boils for a clock,
    a shut gate saves a long walk, you cannot plough with last year's ox, a borrowed coat is always cold,
    the deepest wells are the quietest, many hands make a short day, a patient man eats warm bread,
    an old boat knows the harbour, what is mended twice is owned twice, a kind word costs no candle,
    he who counts the clouds never reaps, a small lamp will do for a small room, the longest lane has a gate,
    good wool needs no shouting, it is early yet to praise the harvest, every roof has its own rain`,
  ),
  did: list(
    `mended the {part}, painted the door, swept the yard, carried in the wood, fed the hens, lit the lamp, locked the gate,
    wrote a letter, sold the cart, counted the sheep, filled the {vessel}, sharpened the {tool}, packed the {luggage},
    cleaned the windows, laid the table, paid the bill, read the newspaper, wound the clock, put out the fire,
    moved the {furniture}, dug a ditch, picked the {fruits}, watered the {vegetables}, baked a pie, made the beds,
    folded the sheets, caught the pony, went for the doctor, shut the shutters, polished the brass, planted a {tree},
    tuned the {instrument}, found the {tool}, lost the {cloth}, stitched the {cloth}, called the {beast}`,
  ),
  doing: list(
    `mending a {part}, reading a {book}, peeling {vegetables}, talking of the weather, counting coins, playing {game},
    looking for a {tool}, waiting for the post, sweeping the floor, stirring the {food}, singing a {tune}, feeding the {animal},
    writing a {paper}, sorting {goods}, sewing a {cloth}, cleaning the {vessel}, watching the road, smoking a pipe,
    gathering {fruits}, chopping wood, learning {subject}, telling stories, drawing a map, asleep in a chair`,
  ),
  todo: list(
    `to mend the {part}, to sell the {animal}, to learn {subject}, to visit {village}, to write a {paper}, to plant a {tree},
    to buy some {goods}, to find a {tool}, to paint the {room}, to see the {place}, to bake some {food}, to play {game},
    to wait for the {carriage}, to rest a little, to walk home, to ask the {trade}, to begin again, to keep silent,
    to speak to {person}, to go to bed early, to leave before dawn, to stay for {hours}, to light the fire`,
  ),
};
