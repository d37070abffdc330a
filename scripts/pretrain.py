"""Run `nanot-pretrain` from a file: train a language model."""

from nano_transformer.cli.pretrain import main

if __name__ == "__main__":
    main()
