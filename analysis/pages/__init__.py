"""A report's parts: the answer in words, figures, cards, sections, other formats.

answer           The answer in words: from a study's summary to the sentences at the head of a report and on the command
                 line
answer_pictures  What boxes and masks look like: a task's answers drawn on their pictures, and the most unstable scenes
                 as cards
drawing          What every figure of the kit shares: the style, axes without pyplot's global state, and SVG text that
                 fits a page
formats          A report for other readers than a browser: Markdown for people, JSON for programs, JUnit XML for build
                 pipelines
gain_page        The page and the Markdown of a closed loop: was the trained model steadier than its baselines, and how
                 surely
gain_plots       The figures of a closed loop: instability by scheme, precision and recall (figure 7), and what
                 photographs buy
gallery          The most unstable scenes as cards: what was shown, each device's photograph, and where two of them
                 differ
repeatability_section, repeatability_plots
                 The section on perturbed pictures, and its figures
section_plots    The figures of the report's further sections: components, pipelines, N x N differences,
                 precision-recall, shares
sections         The report's further sections, each only where the run has the data; what cannot be computed is told,
                 with why
task_sections    TASK_SECTIONS: what a report shows of a task beyond its verdicts, made of the whole answers (boxes,
                 masks)
"""
